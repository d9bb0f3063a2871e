/**
 * Other people's models by name: any OpenAI-compatible server of the configuration, each with connections and a key of
 * its own. What they sample is logged like everything, and is no version of the policy.
 */
import type { Upstream } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import type { Wanted } from '../../core/serving.js';
import { openLine, type Line } from '../engine/sample.js';
import { upstreamBody } from '../engine/wire.js';

/** One model a client may name. */
export interface UpstreamModel {
  readonly id: string;
  readonly host: string;
  readonly sampler: (wanted: Wanted) => Policy;
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
  const lines: Line[] = [];
  const models = list.flatMap((upstream): UpstreamModel[] => {
    const line = lineTo(upstream, timeoutMs);
    lines.push(line);
    const sampler = (wanted: Wanted): Policy => ({
      sample: (request, signal) => line.sample(request, upstreamBody(request, wanted), signal),
    });
    return upstream.models.map((id) => ({ id, host: new URL(upstream.url).host, sampler }));
  });
  return {
    models,
    async close() {
      await Promise.all(lines.map((line) => line.close()));
    },
  };
}

function lineTo({ url, api_key: apiKey }: Upstream, timeoutMs: number): Line {
  const { origin } = new URL(url);
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey))
    throw operatorError(
      `upstreams: the api_key of ${origin} has a character that no header can carry, such as ` +
        'a space or a line end; write it without',
    );
  return openLine(
    { url, timeoutMs, apiKey },
    { it: `The upstream at ${origin}`, setting: 'its "api_key" in "upstreams"', named: true },
  );
}
