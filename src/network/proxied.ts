/**
 * Connections through a proxy: a server of https by a tunnel (CONNECT), one of http by asking the proxy for the whole
 * address, as proxies want it. The proxy looks the host up, not this machine.
 */
import { Agent, Dispatcher, Pool, ProxyAgent } from 'undici';

import type { HttpProxy } from '../core/proxy.js';

export interface ProxiedOptions {
  /** Milliseconds until the head of an answer must be there, and between two pieces of its body; 0 for no bound. */
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
  /** Milliseconds to reach the proxy, and for its answer to CONNECT. */
  readonly connectTimeout: number;
}

/** Whoever makes it destroys it. */
export function throughProxy(proxy: HttpProxy, options: ProxiedOptions): Dispatcher {
  return new Proxied(proxy, options);
}

class Proxied extends Dispatcher {
  readonly #proxy: HttpProxy;
  readonly #plain: Agent;
  readonly #tunnel: ProxyAgent;

  constructor(proxy: HttpProxy, { headersTimeout, bodyTimeout, connectTimeout }: ProxiedOptions) {
    super();
    this.#proxy = proxy;
    const connect = { timeout: connectTimeout };
    this.#plain = new Agent({ headersTimeout, bodyTimeout, pipelining: 1, connect });
    this.#tunnel = new ProxyAgent({
      uri: proxy.url.href,
      ...(proxy.authorization === undefined ? {} : { token: proxy.authorization }),
      headersTimeout,
      bodyTimeout,
      pipelining: 1,
      proxyTls: connect,
      // Of the connection to the proxy itself: its answer to CONNECT is all that comes over it as HTTP.
      clientFactory: (origin, pool) => new Pool(origin, { ...pool, headersTimeout: connectTimeout }),
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = new URL(String(options.origin));
    if (origin.protocol === 'https:') return this.#tunnel.dispatch(options, handler);
    const headers = [...flat(options.headers), 'host', origin.host];
    if (this.#proxy.authorization !== undefined) headers.push('proxy-authorization', this.#proxy.authorization);
    const { origin: proxy } = this.#proxy.url;
    return this.#plain.dispatch(
      { ...options, origin: proxy, path: `${origin.origin}${options.path}`, headers },
      handler,
    );
  }

  override async close(): Promise<void> {
    await Promise.all([this.#plain.close(), this.#tunnel.close()]);
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.#plain.destroy(), this.#tunnel.destroy()]);
  }
}

/** Headers as a list of names and values, without a host. */
function flat(headers: Dispatcher.DispatchOptions['headers']): string[] {
  if (headers === undefined || headers === null) return [];
  let pairs: (readonly [string, string | readonly string[] | undefined])[] = [];
  if (Array.isArray(headers))
    for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at] ?? '', headers[at + 1]]);
  else if (Symbol.iterator in headers)
    pairs = [...(headers as Iterable<readonly [string, string | string[] | undefined]>)];
  else pairs = Object.entries(headers);
  return pairs.flatMap(([name, value]) =>
    name.toLowerCase() === 'host' || value === undefined ? [] : [value].flat().flatMap((each) => [name, each]),
  );
}
