/**
 * `POST /v1/responses/input_tokens`: how long the prompt of a request would be, counted by the engine; nothing is
 * sampled and nothing logged.
 */
import { declared } from '../../loop/asking.js';
import { identify } from '../callers/auth.js';
import type { AnswerDeps } from '../protocol/deps.js';
import { versionHeader } from '../protocol/face.js';
import { settleOffer } from '../protocol/offer.js';
import { Past } from '../protocol/past.js';
import type { Exchange } from '../wire/exchange.js';
import { readCount, RESPONSES } from './face.js';

/** Counts the conversation as its client has it, with the tools it would be offered. Never throws. */
export async function countInput(deps: AnswerDeps, exchange: Exchange): Promise<void> {
  const { serving, tools, keys, settings, log, past } = deps;
  try {
    const caller = identify(keys, exchange.header('authorization'), exchange.header('x-api-key'));
    const raw = await exchange.body(settings.bodyBytes);
    if (RESPONSES.refers?.(raw) === true) await log.flush();
    const request = readCount(raw, new Past(past, caller.keyId));
    const offer = settleOffer(request, tools, settings.defaultTools, caller.tools);
    const { signal } = exchange.clock;
    const lease = await serving.lease(request.model, signal);
    try {
      const prompt = {
        model: lease.engineModel,
        messages: request.messages,
        tools: declared(offer),
        requestId: exchange.requestId,
        forwarded: request.forwarded,
      };
      const count = await lease.counter.count(prompt, signal);
      exchange.json(`{"object":"response.input_tokens","input_tokens":${count}}`, versionHeader(lease.source));
    } finally {
      lease.release();
    }
  } catch (thrown) {
    exchange.fail(thrown, {}, false);
  }
}
