/**
 * Other people's models by name: any OpenAI-compatible server of the configuration, each with connections and a key of
 * its own. What they sample is logged like everything, and is no version of the policy.
 */
import type { Upstream } from '../../core/config.js';
import { GyreError, operatorError, quoted } from '../../core/errors.js';
import type { ProxyFor } from '../../core/proxy.js';
import type { Policy, TokenCounter } from '../../core/policy.js';
import type { Relay, Wanted } from '../../core/serving.js';
import { upstreamCompletionBody } from '../engine/completion.js';
import { Media, readingMedia } from '../engine/media.js';
import { connectTo, type ServerConnection } from '../engine/sample.js';
import { upstreamBody } from '../engine/wire.js';

/** One model a client may name. */
export interface UpstreamModel {
  readonly id: string;
  readonly host: string;
  readonly policy: (wanted: Wanted) => Policy;
  readonly counter: TokenCounter;
  readonly relay: Relay;
}

export interface Upstreams {
  readonly models: readonly UpstreamModel[];
  /** Ends every connection; what is being sampled fails. */
  close(): Promise<void>;
}

export interface UpstreamOptions {
  /** The longest silence, as for the engine. */
  readonly timeoutMs: number;
  /** Bytes one answer may have; 16 MiB without it. */
  readonly answerBytes?: number | undefined;
  /** The proxy for an address, where one is to be used. */
  readonly proxyFor?: ProxyFor | undefined;
  /** One line for the operator. */
  readonly warn?: ((text: string) => void) | undefined;
}

/** Connects to nothing yet. Throws an operator error on a key that no header can carry. */
export function openUpstreams(list: readonly Upstream[], options: UpstreamOptions): Upstreams {
  const connections: ServerConnection[] = [];
  const models = list.flatMap((upstream): UpstreamModel[] => {
    /** What most call it, until this one has said. */
    let reasoningName: string | undefined = 'reasoning_content';
    const connection = connectToUpstream(upstream, options, (name) => {
      reasoningName = name;
    });
    connections.push(connection);
    const plain = upstream.resend === 'plain';
    const policy = (wanted: Wanted): Policy => ({
      sample(request, signal) {
        const { raw } = request;
        if (raw === undefined)
          return connection.sample(
            request,
            (fitted) => upstreamBody(plain ? { ...fitted, native: undefined } : fitted, wanted, reasoningName),
            signal,
          );
        const asked = wanted.tokenIds ? request : { ...request, raw: { ...raw, inText: true as const } };
        return connection.sample(asked, (fitted) => upstreamCompletionBody(fitted, raw, wanted), signal);
      },
    });
    const relay: Relay = (request, signal) => connection.relay(request, signal);
    return upstream.models.map((id) => {
      const media = new Media({ inTools: false });
      return {
        id,
        host: new URL(upstream.url).host,
        policy: (wanted) => readingMedia(policy(wanted), media),
        counter: NO_COUNTER,
        relay,
      };
    });
  });
  return {
    models,
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

/** OpenAI's protocol has no way to ask for a count. */
const NO_COUNTER: TokenCounter = {
  count: ({ model }) =>
    Promise.reject(
      new GyreError({
        side: 'client',
        status: 400,
        code: 'tokenize_unsupported',
        param: 'model',
        message:
          `The model ${quoted(model)} is an upstream's, which this gateway cannot ask ` +
          'for a count. Read "usage" of an answer.',
      }),
    ),
};

function connectToUpstream(
  { url, api_key: apiKey, resend }: Upstream,
  { timeoutMs, answerBytes, proxyFor, warn }: UpstreamOptions,
  reasoned: (name: string | undefined) => void,
): ServerConnection {
  const { origin } = new URL(url);
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey))
    throw operatorError(
      `upstreams: the api_key of ${origin} has a character that no header can carry, such as ` +
        'a space or a line end; write it without',
    );
  const it = `The upstream at ${origin}`;
  const said = new Set<string>();
  return connectTo(
    { url, timeoutMs, apiKey, answerBytes, proxy: proxyFor?.(new URL(url)) },
    { it, setting: 'its "api_key" in "upstreams"', named: true },
    {
      keepsTurns: resend !== 'plain',
      reasoned,
      beside(names) {
        const news = names.filter((name) => !said.has(name));
        for (const name of news) said.add(name);
        if (news.length > 0)
          warn?.(
            `${it} sends ${news.join(', ')} beside its text: clients of /v1/chat/completions get it under that name, ` +
              'clients of other protocols where those have a form for it, and else the name of it in the header ' +
              'x-gyre-left-out; the log keeps it where the answer may be read back. This is said once',
          );
      },
    },
  );
}
