/**
 * `POST /v1/messages/count_tokens`: how long the prompt of a request would be, counted by the engine; nothing is
 * sampled and nothing logged.
 */
import { GyreError } from '../../core/errors.js';
import type { TokenCounter } from '../../core/policy.js';
import { declared } from '../../loop/run.js';
import { identify } from '../callers/auth.js';
import { parseCount } from './face.js';
import { settleOffer } from '../protocol/offer.js';
import type { ChatDeps } from '../protocol/deps.js';
import { readJson } from '../wire/body.js';
import type { Exchange } from '../wire/exchange.js';

export interface CountDeps extends Pick<ChatDeps, 'serving' | 'tools' | 'keys' | 'settings'> {
  readonly counter: TokenCounter;
}

/**
 * Counts the conversation as it is sent, with the tools it would be offered; turns that the log would put back are not
 * in it. Never throws.
 */
export async function countTokens(
  { counter, serving, tools, keys, settings }: CountDeps,
  exchange: Exchange,
): Promise<void> {
  try {
    const caller = identify(keys, exchange.header('authorization'), exchange.header('x-api-key'));
    const request = parseCount(await readJson(exchange.incoming, settings.bodyBytes));
    const offer = settleOffer(request, tools, settings.defaultTools, caller.tools);
    const { signal } = exchange.clock;
    const lease = await serving.lease(request.model, signal);
    try {
      if (lease.upstream !== undefined) throw upstreamCount(request.model);
      const prompt = {
        model: lease.engineModel,
        messages: request.messages,
        tools: declared(offer),
        requestId: exchange.requestId,
        forwarded: request.forwarded,
      };
      exchange.json(`{"input_tokens":${await counter.count(prompt, signal)}}`, {
        'request-id': exchange.requestId,
        'x-gyre-policy-version': String(lease.version),
      });
    } finally {
      lease.release();
    }
  } catch (thrown) {
    exchange.fail(thrown, {}, false);
  }
}

function upstreamCount(model: string): GyreError {
  return new GyreError({
    side: 'client',
    status: 501,
    code: 'tokenize_unsupported',
    param: 'model',
    message:
      `The model ${JSON.stringify(model)} is an upstream's, which this gateway cannot ask ` +
      'for a count. Read "usage" of an answer.',
  });
}
