/**
 * `POST /v1/messages/count_tokens`: how long the prompt of a request would be, counted by the engine; nothing is
 * sampled and nothing logged.
 */
import { declared } from '../../loop/asking.js';
import { identify } from '../callers/auth.js';
import { parseCount } from './face.js';
import { settleOffer } from '../protocol/offer.js';
import type { AnswerDeps } from '../protocol/deps.js';
import { versionHeader } from '../protocol/face.js';
import { Past } from '../protocol/past.js';
import { forwardedTo } from '../protocol/request.js';
import { readJson } from '../wire/body.js';
import type { Exchange } from '../wire/exchange.js';

/**
 * Counts the conversation as it is sent, with the tools it would be offered; turns that the log would put back are not
 * in it. Never throws.
 */
export async function countTokens(
  { serving, tools, keys, past, settings }: AnswerDeps,
  exchange: Exchange,
): Promise<void> {
  try {
    const caller = identify(keys, exchange.header('authorization'), exchange.header('x-api-key'));
    const request = parseCount(
      await readJson(exchange.incoming, settings.bodyBytes),
      new Past(past, caller.keyId, settings.seal),
    );
    const offer = settleOffer(request, tools, settings.defaultTools, caller.tools);
    const { signal } = exchange.clock;
    const lease = await serving.lease(request.model, signal);
    try {
      const prompt = {
        model: lease.engineModel,
        messages: request.messages,
        tools: declared(offer),
        requestId: exchange.requestId,
        forwarded: forwardedTo(lease.source, request),
        newestMedia: request.newestMedia,
      };
      exchange.json(`{"input_tokens":${await lease.counter.count(prompt, signal)}}`, {
        'request-id': exchange.requestId,
        ...versionHeader(lease.source),
      });
    } finally {
      lease.release();
    }
  } catch (thrown) {
    exchange.fail(thrown, {}, false);
  }
}
