/**
 * How a request is answered, whatever protocol it speaks: validate, lease, open a thread, run the loop, fold its
 * events into an answer. Nothing is spent on a request that is refused, and the last frame waits for the log.
 */
import type { StepLog, Thread } from '../core/log.js';
import type { IdKind } from '../core/ids.js';
import type { Policy } from '../core/policy.js';
import type { Lease, Serving } from '../core/serving.js';
import type { Toolbox } from '../core/tool.js';
import type { Ending } from '../core/trajectory.js';
import { asGyreError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import { NO_USAGE } from '../core/policy.js';
import type { Finish, LoopEvent, LoopLimits, LoopRequest } from '../loop/events.js';
import { runBy } from '../loop/run.js';
import { WholeAnswer, type Delivery } from './answer.js';
import { identify, type Caller, type Keys } from './auth.js';
import { readJson } from './body.js';
import type { CompletionHead } from './completion.js';
import type { Exchange } from './exchange.js';
import type { Metrics } from './metrics.js';
import { settleOffer, type Offer } from './offer.js';
import { parseChat, type ChatRequest } from './openai.js';
import { Past } from './past.js';
import type { Reading } from './reading.js';
import { StreamedAnswer } from './sse.js';

export interface ChatSettings {
  readonly limits: LoopLimits;
  readonly bodyBytes: number;
  /** Names of the toolbox that are offered when a request names none. */
  readonly defaultTools: readonly string[];
  readonly keepaliveMs: number;
  readonly slowReaderMs: number;
}

export interface ChatDeps {
  readonly policy: Policy;
  readonly serving: Serving;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly keys: Keys;
  readonly metrics: Metrics;
  readonly past: Pick<Reading, 'conversation' | 'answer'>;
  readonly settings: ChatSettings;
}

/** One request of a protocol in the words of all, and how its answer is told. */
export interface Asked {
  readonly request: ChatRequest;
  delivery(exchange: Exchange, head: CompletionHead, settings: ChatSettings): Delivery;
}

/** A protocol: it only translates. */
export interface Face {
  /** What its answers' ids begin with. */
  readonly id: IdKind;
  /** Throws 400 that names the field, 404 for a past that is not there. */
  parse(raw: unknown, past: Past): Asked;
}

/** `POST /v1/chat/completions`. */
export const CHAT: Face = {
  id: 'chatcmpl',
  parse(raw) {
    const request = parseChat(raw);
    return {
      request,
      delivery: (exchange, head, settings) => (request.stream ? new StreamedAnswer(exchange, head, { includeUsage: request.includeUsage, toolEvents: request.toolEvents, ...settings }) : new WholeAnswer(exchange, head)),
    };
  },
};

/** Answers one exchange, errors included; never throws. */
export async function answerBy(face: Face, deps: ChatDeps, exchange: Exchange): Promise<void> {
  try {
    const caller = identify(deps.keys, exchange.header('authorization'), exchange.header('x-api-key'));
    const asked = face.parse(await readJson(exchange.incoming, deps.settings.bodyBytes), new Past(deps.past, caller.keyId));
    const { request } = asked;
    const offer = settleOffer(request, deps.tools, deps.settings.defaultTools);
    const lease = await deps.serving.lease(request.model, exchange.clock.signal);
    try {
      await converse(deps, exchange, caller, face, asked, offer, lease);
    } finally {
      lease.release();
    }
  } catch (thrown) {
    exchange.fail(thrown, {}, false);
  }
}

async function converse(deps: ChatDeps, exchange: Exchange, caller: Caller, face: Face, { request, delivery: deliveryOf }: Asked, offer: Offer, lease: Lease): Promise<void> {
  const consent = caller.train && request.store && exchange.header('x-gyre-train')?.toLowerCase() !== 'no';
  const responseId = newId(face.id, exchange.startedAt);
  const taskId = request.metadata?.['gyre_task'];
  const opened = deps.log.open({
    asker: { keyId: caller.keyId, consent },
    origin: 'live',
    responseId,
    requestId: exchange.requestId,
    model: request.model,
    messages: request.messages,
    ...(taskId === undefined ? {} : { taskId }),
    ...(request.metadata === undefined ? {} : { metadata: request.metadata }),
    ...(lease.templateHash === undefined ? {} : { templateHash: lease.templateHash }),
    at: exchange.startedAt,
  });
  const thread = opened instanceof Promise ? await opened : opened;
  const head: CompletionHead = {
    id: responseId,
    created: Math.floor(exchange.startedAt / 1000),
    model: request.model,
    policyVersion: lease.version,
    headers: { 'x-gyre-trajectory': thread.trajectoryId, 'x-gyre-policy-version': String(lease.version) },
    logprobs: request.topLogprobs !== undefined,
    tokenIds: request.tokenIds,
  };
  const delivery = deliveryOf(exchange, head, deps.settings);
  const { limits } = deps.settings;
  const bounds = request.maxToolCalls === undefined ? limits : { ...limits, toolCalls: Math.min(limits.toolCalls, request.maxToolCalls) };
  const events = runBy(exchange.clock, loopRequest(request, offer, lease, thread, exchange, consent), deps.policy, bounds);
  const finish = await deliver(deps, exchange, thread, events, delivery);
  await thread.finish(finish.ending);
  delivery.finish(finish);
}

/** Hands every event to the log, the client and the metrics. A bug of ours ends the answer as failed; it never leaves a policy running. */
async function deliver(deps: ChatDeps, exchange: Exchange, thread: Thread, events: AsyncGenerator<LoopEvent, Finish>, delivery: Delivery): Promise<Finish> {
  let stepsMs = 0;
  let firstToken: number | undefined;
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) {
        deps.metrics.answer(next.value.ending, { overhead: Math.max(0, exchange.elapsed() - stepsMs) / 1000, firstToken });
        return next.value;
      }
      const event = next.value;
      if (event.type === 'step') {
        stepsMs += event.step.ms;
        void thread.step(event.step, event.visible);
      } else if (event.type === 'tool_finished') {
        if (deps.tools.has(event.call.name)) deps.metrics.tool(event.call.name, event.observation.ms);
      } else if (event.type !== 'start') firstToken ??= exchange.elapsed() / 1000;
      const waiting = delivery.event(event);
      if (waiting !== undefined) await waiting;
    }
  } catch (thrown) {
    await events.return(broken(thrown));
    return broken(thrown);
  }
}

function loopRequest(request: ChatRequest, offer: Offer, lease: Lease, thread: Thread, exchange: Exchange, consent: boolean): LoopRequest {
  return {
    model: lease.engineModel,
    policyVersion: lease.version,
    messages: thread.messages,
    ...offer,
    sampling: request.sampling,
    requestId: exchange.requestId,
    ...(request.parallelToolCalls === undefined ? {} : { parallelToolCalls: request.parallelToolCalls }),
    ...(request.n === 1 ? {} : { n: request.n }),
    ...(request.topLogprobs === undefined ? {} : { topLogprobs: request.topLogprobs }),
    ...(request.forwarded === undefined ? {} : { forwarded: request.forwarded }),
    ...(consent ? {} : { withheld: 'no_consent' }),
  };
}

function broken(thrown: unknown): Finish {
  const ending: Ending = { outcome: 'failed', stopReason: 'engine_error', usage: NO_USAGE, toolUse: { requested: 0, executed: 0, by_tool: {} } };
  return { ending, finishReasons: [], fault: asGyreError(thrown) };
}
