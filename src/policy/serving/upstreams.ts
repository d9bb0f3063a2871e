/**
 * Other people's models by name: any OpenAI-compatible server of the configuration, each with connections and a key of
 * its own. What they sample is logged like everything, and is no version of the policy.
 */
import type { Upstream } from '../../core/config.js';
import { GyreError, operatorError } from '../../core/errors.js';
import type { Policy, TokenCounter } from '../../core/policy.js';
import type { Wanted } from '../../core/serving.js';
import { Media, readingMedia } from '../engine/media.js';
import { connectTo, type ServerConnection } from '../engine/sample.js';
import { upstreamBody } from '../engine/wire.js';

/** One model a client may name. */
export interface UpstreamModel {
  readonly id: string;
  readonly host: string;
  readonly policy: (wanted: Wanted) => Policy;
  readonly counter: TokenCounter;
}

export interface Upstreams {
  readonly models: readonly UpstreamModel[];
  /** Ends every connection; what is being sampled fails. */
  close(): Promise<void>;
}

/**
 * Connects to nothing yet. `timeoutMs` is the longest silence, as for the engine. Throws an operator error on a key
 * that no header can carry.
 */
export function openUpstreams(list: readonly Upstream[], timeoutMs: number): Upstreams {
  const connections: ServerConnection[] = [];
  const models = list.flatMap((upstream): UpstreamModel[] => {
    const connection = connectToUpstream(upstream, timeoutMs);
    connections.push(connection);
    const policy = (wanted: Wanted): Policy => ({
      sample: (request, signal) => connection.sample(request, upstreamBody(request, wanted), signal),
    });
    return upstream.models.map((id) => {
      const media = new Media({ inTools: false });
      return {
        id,
        host: new URL(upstream.url).host,
        policy: (wanted) => readingMedia(policy(wanted), media),
        counter: NO_COUNTER,
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
        status: 501,
        code: 'tokenize_unsupported',
        param: 'model',
        message:
          `The model ${JSON.stringify(model)} is an upstream's, which this gateway cannot ask ` +
          'for a count. Read "usage" of an answer.',
      }),
    ),
};

function connectToUpstream({ url, api_key: apiKey }: Upstream, timeoutMs: number): ServerConnection {
  const { origin } = new URL(url);
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey))
    throw operatorError(
      `upstreams: the api_key of ${origin} has a character that no header can carry, such as ` +
        'a space or a line end; write it without',
    );
  return connectTo(
    { url, timeoutMs, apiKey },
    { it: `The upstream at ${origin}`, setting: 'its "api_key" in "upstreams"', named: true },
  );
}
