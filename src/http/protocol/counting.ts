/**
 * How long the prompt of a request would be, whatever protocol it speaks: counted by the engine, with the tools it
 * would be offered; nothing is sampled and nothing logged. Turns that the log would put back are not in it.
 */
import { declared } from '../../loop/asking.js';
import { type Admission, admitPlain } from '../callers/allowance.js';
import { type Caller, callerIn } from '../callers/auth.js';
import type { AnswerDeps } from './deps.js';
import { versionHeader } from './face.js';
import { settleOffer } from './offer.js';
import { lookBack, Past, type Refers } from './past.js';
import { type AnswerRequest, forwardedTo, requireSaneLength } from './request.js';
import type { Exchange } from '../wire/exchange.js';

/** What a protocol is to a count. */
export interface Counting {
  /** Throws 400 that names the field, 404 for a past that is not there. */
  parse(raw: unknown, past: Past): AnswerRequest;
  /** The earlier answers a request refers to. */
  readonly refers?: ((raw: unknown) => Refers | undefined) | undefined;
  /** The answer as JSON. */
  told(tokens: number): string;
  /** Headers of the protocol's own. */
  headers?(exchange: Exchange): Readonly<Record<string, string>>;
}

/** Never throws. */
export async function countBy(counting: Counting, deps: AnswerDeps, exchange: Exchange): Promise<void> {
  let admission: Admission | undefined;
  try {
    const caller = await callerIn(deps.keys, exchange);
    admission = admitPlain(deps, caller);
    const raw = await exchange.body(deps.bodies);
    const refers = counting.refers?.(raw);
    const earlier =
      refers === undefined ? undefined : await lookBack(deps, caller.keyId, refers, exchange.clock.signal);
    const request = counting.parse(raw, new Past(earlier, deps.settings.seal));
    requireSaneLength(request);
    await count(counting, deps, exchange, caller, request, admission?.headers);
  } catch (thrown) {
    exchange.fail(thrown, admission?.headers ?? {}, false);
  } finally {
    admission?.leave();
  }
}

async function count(
  counting: Counting,
  { serving, tools, settings }: AnswerDeps,
  exchange: Exchange,
  caller: Caller,
  request: AnswerRequest,
  limits: Admission['headers'] = {},
): Promise<void> {
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
    const tokens = await lease.counter.count(prompt, signal);
    exchange.json(counting.told(tokens), {
      ...counting.headers?.(exchange),
      ...versionHeader(lease.source),
      ...limits,
    });
  } finally {
    lease.release();
  }
}
