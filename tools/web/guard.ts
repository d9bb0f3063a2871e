/**
 * The guard against server-side request forgery: a policy may make this machine fetch from public addresses only. A
 * host is resolved once and each of its addresses is checked; the connection then goes to a checked address, so that a
 * name which resolves differently a moment later (DNS rebinding) gains nothing. Each redirect is checked again.
 *
 * Through a proxy the same is refused that can be told from here: addresses and names that are not public, and names
 * that this machine resolves to such addresses. A name it cannot resolve goes to the proxy, which resolves every name
 * itself: what lies in its own network is for the proxy to refuse.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

import { buildConnector } from 'undici';

import { badRequest, GyreError, quoted, reasonOf } from '../../src/core/errors.js';
import type { HttpProxy, ProxyFor } from '../../src/core/proxy.js';
import { attachedNetworks, notPublic } from './addresses.js';

/** What the guard needs of the network; tests give their own. */
export interface Network {
  /** Every address of a host name. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  /** Opens a connection to the address in `options.hostname`. */
  readonly connect: buildConnector.connector;
  /** Networks this machine is part of. */
  readonly attached: () => readonly string[];
}

const CONNECT_MS = 5_000;

export const INTERNET: Network = {
  resolve: async (host) => (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address),
  connect: buildConnector({ timeout: CONNECT_MS, maxCachedSessions: 0 }),
  attached: attachedNetworks,
};

/** An address that was checked, with the IP addresses of its host. */
export interface Place {
  readonly url: URL;
  readonly addresses: readonly string[];
  readonly proxy?: HttpProxy | undefined;
}

const MAX_URL = 2_048;
/** Names that never mean a public host, whatever a resolver says of them. */
const PRIVATE_NAME = /(^|\.)(localhost|localdomain|local|internal|intranet|lan|home|corp|private|onion|home\.arpa)$/;
/**
 * Pages are served at 80, 443, or ports from 1024 on. Below are mail, shells and directories. The ports listed here are
 * those above 1024 that browsers block (the Fetch standard's "bad ports") and some of databases and caches: their
 * protocols may take lines of an HTTP request for commands.
 */
const OTHER_PROTOCOLS = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
  10080, 11211,
]);

/** Throws an error for whoever named the address, in a sentence that gives no private address away. */
export async function checked(text: string, network: Network, proxyFor?: ProxyFor): Promise<Place> {
  const url = parsed(text);
  const host = hostOf(url);
  const proxy = proxyFor?.(url);
  const addresses = isIP(host) === 0 ? await resolved(host, url, network, proxy !== undefined) : [host];
  const attached = network.attached();
  for (const address of addresses) {
    const kind = notPublic(address, attached);
    if (kind !== undefined)
      throw badRequest(`${quoted(url.href)} cannot be fetched: it leads to ${kind}. Only public addresses can.`, 'url');
  }
  return { url, addresses, proxy };
}

/** Connects to the checked addresses of a place, in turn until one answers, under the name it was asked by. */
export function pinned({ url, addresses }: Place, network: Network): buildConnector.connector {
  const servername = isIP(hostOf(url)) === 0 ? { servername: hostOf(url) } : {};
  return (options, callback) => {
    const attempt = (at: number): void => {
      const hostname = addresses[at] ?? '';
      network.connect({ ...options, ...servername, hostname, host: options.host ?? url.host }, (...[fault, socket]) => {
        if (fault === null) callback(null, socket);
        else if (at + 1 < addresses.length) attempt(at + 1);
        else callback(fault, null);
      });
    };
    attempt(0);
  };
}

function parsed(text: string): URL {
  if (text.length > MAX_URL)
    throw badRequest(`the address has ${text.length} characters, at most ${MAX_URL} are taken`, 'url');
  if (!URL.canParse(text))
    throw badRequest(`${quoted(text)} is not an address; write one like https://example.com/page`, 'url');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw badRequest(`${quoted(text)} cannot be fetched: only http and https can`, 'url');
  if (url.username !== '' || url.password !== '')
    throw badRequest('an address with a user name or a password in it is not fetched; leave them out', 'url');
  const port = url.port === '' ? undefined : Number(url.port);
  const plain = port === undefined || port === 80 || port === 443 || (port >= 1024 && !OTHER_PROTOCOLS.has(port));
  if (!plain)
    throw badRequest(
      `${quoted(url.href)} cannot be fetched: no page is served at port ${url.port}; ` +
        '80, 443 and most from 1024 on can be',
      'url',
    );
  url.hash = '';
  return url;
}

/**
 * As it is looked up: without brackets and without the final dot, in lower case, in punycode (the URL parser has seen
 * to that).
 */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '');
}

/** Of what lies behind a proxy the answer may be none: then only the proxy knows it. */
async function resolved(host: string, url: URL, network: Network, proxied: boolean): Promise<readonly string[]> {
  if (!host.includes('.') || PRIVATE_NAME.test(host))
    throw badRequest(`${quoted(url.href)} cannot be fetched: "${host}" is no public host`, 'url');
  let addresses: readonly string[];
  try {
    addresses = await network.resolve(host);
  } catch (thrown) {
    if (proxied) return [];
    const code = (thrown as NodeJS.ErrnoException).code ?? reasonOf(thrown);
    throw new GyreError({
      side: 'gateway',
      status: 502,
      code: 'no_such_host',
      message: `the host "${host}" was not found (${code})`,
      cause: thrown,
    });
  }
  if (addresses.length === 0 && !proxied)
    throw new GyreError({
      side: 'gateway',
      status: 502,
      code: 'no_such_host',
      message: `the host "${host}" has no address`,
    });
  return addresses;
}
