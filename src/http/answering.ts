/**
 * How a request is answered, whatever protocol it speaks: validate, lease, open a recording, run the loop, fold its
 * events into an answer. Nothing is spent on a request that is refused, and the last frame waits for the log.
 */
import { asGyreError, discreetly, isBug } from '../core/errors.js';
import { newId } from '../core/ids.js';
import { logWaits, type Recording } from '../core/log.js';
import type { AssistantMessage } from '../core/message.js';
import { NO_USAGE, type Sampling } from '../core/policy.js';
import { type Lease, versionOf } from '../core/serving.js';
import type { Ending, Step } from '../core/trajectory.js';
import { turnFor } from '../core/running/turns.js';
import type { Finish, LoopEvent, LoopRequest } from '../loop/events.js';
import { runWithClock } from '../loop/run.js';
import { type Admission, admit } from './callers/allowance.js';
import { type Caller, callerIn } from './callers/auth.js';
import { consents } from './callers/consent.js';
import { checkForm } from './protocol/answer_form.js';
import type { AnswerDeps } from './protocol/deps.js';
import { type AnswerHead, type Delivery, type Face, type ParsedRequest, versionHeader } from './protocol/face.js';
import { LEFT_OUT, leftOutHeader, type Offer, settleOffer } from './protocol/offer.js';
import { withFreeform } from './protocol/freeform.js';
import { lookBack, Past } from './protocol/past.js';
import { nativeTurns, withoutForeign } from './protocol/native_turns.js';
import { type AnswerRequest, forwardedTo, requireSaneLength, sampledBy, untoldSampling } from './protocol/request.js';
import type { AnyExchange } from './wire/exchange.js';

/** Answers one exchange, errors included; never throws. */
export async function answerBy<E extends AnyExchange>(face: Face<E>, deps: AnswerDeps, exchange: E): Promise<void> {
  /** Only a key with limits needs one. */
  let admission: Admission | undefined;
  try {
    const asking = callerIn(deps.keys, exchange);
    const caller = asking instanceof Promise ? await asking : asking;
    if (caller.limits !== undefined) admission = await admit(deps, caller.keyId, caller.limits);
    if (admission?.refusal !== undefined) throw admission.refusal;
    const unlogged = deps.settings.logRequired ? deps.log.refusal() : undefined;
    if (unlogged !== undefined) throw unlogged;
    const train = caller.train && consents(exchange.header('x-gyre-train'));
    const raw = await exchange.body(deps.bodies);
    let turn = turnFor(exchange.size);
    if (turn !== undefined) await turn;
    const { signal } = exchange.clock;
    const found = face.refers?.(raw, signal);
    const refers = found instanceof Promise ? await found : found;
    const earlier = refers === undefined ? undefined : await lookBack(deps, caller.keyId, refers, signal);
    const parsed = face.parse(raw, new Past(earlier, deps.settings.seal));
    const { request } = parsed;
    requireSaneLength(request);
    turn = turnFor(exchange.size);
    if (turn !== undefined) await turn;
    const offer = settleOffer(request, deps.tools, deps.settings.defaultTools, caller.tools);
    const lease = await deps.serving.lease(request.model, exchange.clock.signal, request.messages);
    try {
      await checkForm(request, lease.source);
      await converse(
        deps,
        exchange,
        train === caller.train ? caller : { ...caller, train },
        face,
        parsed,
        offer,
        lease,
        admission,
      );
    } finally {
      lease.release();
    }
  } catch (thrown) {
    exchange.fail(thrown, admission?.headers ?? NO_HEADERS, false);
  } finally {
    admission?.leave();
  }
}

const NO_HEADERS = {};
/** About so long are the words of a token, and its number in the log. */
const TOKEN_CHARS = 5;

async function converse<E extends AnyExchange>(
  deps: AnswerDeps,
  exchange: E,
  caller: Caller,
  face: Face<E>,
  { request, delivery: deliveryOf }: ParsedRequest<E>,
  offer: Offer,
  lease: Lease,
  admission: Admission | undefined,
): Promise<void> {
  const consent = caller.train && request.store;
  const responseId = newId(face.id, exchange.startedAt);
  const taskId = request.metadata?.['gyre_task'];
  const forwarded = forwardedTo(lease.source, request);
  const opened = deps.log.open({
    asker: { keyId: caller.keyId, consent },
    origin: 'live',
    responseId,
    requestId: exchange.requestId,
    model: request.model,
    upstream: lease.source.kind === 'upstream' ? `${lease.source.host} ${lease.engineModel}` : undefined,
    messages: request.messages,
    taskId,
    metadata: request.metadata,
    forwarded,
    asked: askedOf(request, offer),
    templateHash: lease.templateHash,
    at: exchange.startedAt,
  });
  const recording = opened instanceof Promise ? await opened : opened;
  const sampling = sampledBy(request.sampling, lease.defaults);
  const head: AnswerHead = {
    id: responseId,
    created: Math.floor(exchange.startedAt / 1000),
    model: request.model,
    source: lease.source,
    headers: {
      'x-gyre-trajectory': recording.trajectoryId,
      ...versionHeader(lease.source),
      ...leftOutHeader(offer),
      ...admission?.headers,
    },
    sampling,
    logprobs: request.topLogprobs !== undefined,
    tokenIds: request.tokenIds,
    leftOut: offer.leftOut,
  };
  const delivery = deliveryOf(exchange, head, deps.settings);
  const { watch } = exchange;
  watch?.accepted({
    model: request.model,
    engineModel: lease.engineModel,
    source: lease.source,
    trajectoryId: recording.trajectoryId,
    responseId,
    stream: request.stream,
  });
  const { limits } = deps.settings;
  const bounds =
    request.maxToolCalls === undefined
      ? limits
      : { ...limits, toolCalls: Math.min(limits.toolCalls, request.maxToolCalls) };
  const policy = withoutForeign(lease.policy(request), recording.messages, recording.past);
  const events = runWithClock(
    exchange.clock,
    loopRequest(request, forwarded, offer, lease, recording, exchange, sampling, consent),
    watch?.policy(policy) ?? policy,
    bounds,
  );
  const resent = (visible: AssistantMessage): AssistantMessage =>
    withFreeform(face.resent === undefined ? visible : face.resent(visible), request.freeform);
  let turn = turnFor(exchange.size);
  if (turn !== undefined) await turn;
  const { finish, told } = await deliver(deps, resent, exchange, recording, events, delivery);
  admission?.used(finish.ending.usage.prompt_tokens + finish.ending.usage.completion_tokens);
  const ended = exchange.elapsed();
  const kept = await recording.finish(finish.ending);
  deps.metrics.committed((exchange.elapsed() - ended) / 1000);
  turn = turnFor(told);
  if (turn !== undefined) await turn;
  const end = kept || !deps.settings.logRequired ? finish : unkept(finish, deps.log);
  const { fault } = end;
  if (fault !== undefined && isBug(fault)) deps.bug(fault, exchange.requestId);
  delivery.finish(fault === undefined || exchange.trusted ? end : { ...end, fault: discreetly(fault) });
}

/** An answer of which nothing could be kept, and that is to be given only with its record. */
function unkept(finish: Finish, log: AnswerDeps['log']): Finish {
  // Of what failed or was called off by itself there may be nothing to keep.
  if (finish.fault !== undefined || finish.ending.outcome === 'cancelled') return finish;
  const fault =
    log.refusal() ?? logWaits({ since: Date.now(), reason: 'its log had to wait' }, 'The answer is not logged');
  return { ...finish, ending: { ...finish.ending, outcome: 'failed' }, fault };
}

/**
 * Hands every event to the log, the client and the metrics, and counts the characters that were told. A bug of ours
 * ends the answer as failed and stops the policy.
 */
async function deliver(
  deps: AnswerDeps,
  resent: (visible: AssistantMessage) => AssistantMessage,
  exchange: AnyExchange,
  recording: Recording,
  events: AsyncGenerator<LoopEvent, Finish>,
  delivery: Delivery,
): Promise<{ readonly finish: Finish; readonly told: number }> {
  let stepsMs = 0;
  let told = 0;
  let firstToken: number | undefined;
  let finish: Finish;
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) {
        finish = next.value;
        break;
      }
      const event = next.value;
      if (event.type === 'step') {
        stepsMs += event.step.ms;
        if (event.step.outcome === 'done' && event.step.action !== undefined) deps.metrics.action(event.step.action);
        const turn = turnFor(exchange.size + sizeOf(event.step)); // all that was asked is logged with the first
        if (turn !== undefined) await turn;
        void recording.step(event.step, resent(event.visible));
      } else if (event.type === 'tool_finished') {
        deps.metrics.tool(deps.tools.has(event.call.name) ? event.call.name : undefined, event.observation);
        exchange.watch?.tool(event.call, event.observation);
      } else if (event.type !== 'start' && event.type !== 'tool_started') firstToken ??= exchange.elapsed() / 1000;
      if (event.type === 'text' || event.type === 'reasoning' || event.type === 'arguments') {
        told += event.text.length;
        const turn = turnFor(event.text.length);
        if (turn !== undefined) await turn;
      }
      const waiting = delivery.event(event);
      if (waiting !== undefined) await waiting;
    }
  } catch (thrown) {
    deps.bug(thrown, exchange.requestId);
    finish = broken(thrown);
    await events.return(finish);
  }
  deps.metrics.answer(finish.ending, { overhead: Math.max(0, exchange.elapsed() - stepsMs) / 1000, firstToken });
  exchange.watch?.ended(finish.ending, finish.fault, firstToken);
  return { finish, told };
}

/** About how many characters a step adds to the log. */
function sizeOf({ action, calls }: Step): number {
  let size = (action?.text.length ?? 0) + (action?.reasoning?.length ?? 0);
  size += TOKEN_CHARS * ((action?.promptTokenIds?.length ?? 0) + (action?.tokenIds?.length ?? 0));
  for (const call of calls) size += call.arguments.length + (call.observation?.content.length ?? 0);
  return size;
}

function loopRequest(
  request: AnswerRequest,
  forwarded: AnswerRequest['forwarded'],
  offer: Offer,
  lease: Lease,
  recording: Recording,
  exchange: AnyExchange,
  sampling: Sampling,
  consent: boolean,
): LoopRequest {
  return {
    model: lease.engineModel,
    policyVersion: versionOf(lease.source),
    messages: recording.messages,
    raw: request.raw,
    clientTools: offer.clientTools,
    serverTools: offer.serverTools,
    toolChoice: offer.toolChoice,
    ownCall: offer.ownCall,
    sampling,
    requestId: exchange.requestId,
    parallelToolCalls: request.parallelToolCalls,
    ...(request.n === 1 ? {} : { n: request.n }),
    topLogprobs: request.topLogprobs,
    forwarded,
    ...(request.newestMedia === undefined ? {} : { newestMedia: request.newestMedia }),
    ...(lease.source.kind === 'upstream' ? { native: nativeTurns(request, recording.messages, recording.past) } : {}),
    ...(request.asked !== undefined && request.store ? { retold: true } : {}),
    ...(request.topLogprobs !== undefined || request.tokenIds ? { tokensShown: true } : {}),
    withheld:
      lease.source.kind === 'upstream' ? 'upstream' : consent ? untoldSampling(sampling, lease.defaults) : 'no_consent',
  };
}

/** What is logged of the request beside its messages, where its protocol tells the answer again. */
function askedOf({ asked }: AnswerRequest, { leftOut }: Offer): AnswerRequest['asked'] {
  return asked === undefined || leftOut.length === 0 ? asked : { ...asked, [LEFT_OUT]: leftOut };
}

function broken(thrown: unknown): Finish {
  const ending: Ending = {
    outcome: 'failed',
    stopReason: 'engine_error',
    usage: NO_USAGE,
    toolUse: { requested: 0, executed: 0, by_tool: {} },
  };
  return { ending, finishReasons: [], fault: asGyreError(thrown) };
}
