/**
 * The agent loop: sample an action, run the server's tool calls, append their observations, and sample again until the
 * policy answers, calls a client's function or reaches a limit. Its inputs are arguments, everything that happens is an
 * event, and it never throws for a fault of the engine, a tool or the client: a fault is a way to end. It knows neither
 * HTTP nor the log.
 */
import { asGyreError } from '../core/errors.js';
import type { Message } from '../core/message.js';
import type { Action, FunctionSpec, NativeTurn, Policy } from '../core/policy.js';
import type { OwnedCall } from '../core/trajectory.js';
import { askedInForm, declared, policyRequest, toldLeftOut, toldToAnswer } from './asking.js';
import { admit, NOTHING_SPENT, reached, refusal, spend, type LimitReason } from './budget.js';
import { askedAgain, type Draft } from './choices.js';
import { Clock } from './clock.js';
import type { Finish, LoopEvent, LoopLimits, LoopRequest } from './events.js';
import { execute } from './execute.js';
import { StepRecord } from './record.js';
import { schemaOf } from './schema.js';
import { appended, isClientTool, settle } from './settle.js';
import { Telling } from './telling.js';
import { Tally } from './tally.js';
import { Visible } from './visible.js';

/** Answers one request within its limits. Ends early, with what was sampled so far, when `signal` fires. */
export function run(
  request: LoopRequest,
  policy: Policy,
  limits: LoopLimits,
  signal: AbortSignal,
): AsyncGenerator<LoopEvent, Finish> {
  return runWithClock(new Clock(limits.milliseconds, signal), request, policy, limits);
}

/**
 * {@link run} with a clock that runs already. A caller that leaves the generator early ends the clock, and with it
 * policy and tools.
 */
export async function* runWithClock(
  clock: Clock,
  request: LoopRequest,
  policy: Policy,
  limits: LoopLimits,
): AsyncGenerator<LoopEvent, Finish> {
  const tally = new Tally();
  const tools = declared(request);
  const visible = new Visible((name) => isClientTool(request, name), {
    oneCall: request.parallelToolCalls === false,
    holds: request.serverTools.size > 0,
  });
  const telling = request.retold === true ? new Telling() : undefined;
  let messages = request.messages;
  /** How turns came that are sent back while this request is answered. */
  let native: ReadonlyMap<Message, NativeTurn> | undefined = request.native;
  const schema = schemaOf(request);
  /** The last turn at a limit is a call too. */
  const ownCall = request.ownCall === true;
  /** Whether the policy has said its answer, and is to give it in the client's form. */
  let answering = false;
  let spent = NOTHING_SPENT;
  let limit: LimitReason | undefined;

  try {
    for (;;) {
      const callsAllowed =
        (limit === undefined || ownCall) && !answering && request.toolChoice !== 'none' && tools.length > 0;
      const isDraft = schema !== undefined && callsAllowed;
      const form = schema && { of: schema, keeps: !isDraft };
      const asked = policyRequest(request, messages, native, tools, spent, form, tally.bytes);
      const step = new StepRecord(request, asked, callsAllowed, () => telling?.told());
      visible.begin(callsAllowed, !isDraft);
      telling?.begin();

      let actions: readonly Action[];
      try {
        const sampling = policy.sample(asked, clock.signal);
        for (;;) {
          const next = await sampling.next();
          if (next.done === true) {
            actions = next.value;
            break;
          }
          step.saw(next.value);
          const shown = visible.pass(next.value);
          if (shown === undefined) continue;
          telling?.tell(shown);
          yield shown;
        }
      } catch (thrown) {
        const ended = clock.endedBy;
        const partial = step.partial();
        tally.sampled(partial);
        yield {
          type: 'step',
          step: step.broken(partial, ended === undefined ? 'failed' : 'cancelled'),
          visible: visible.message(0),
        };
        return ended === undefined ? tally.failed(asGyreError(thrown)) : tally.stopped(ended);
      }

      for (const action of actions) tally.sampled(action);
      const [action] = actions;
      if (action === undefined || actions.length > 1) {
        const drafts: Draft[] = [];
        for (const [index, each] of actions.entries()) {
          const { calls, leftOut } = settle(each, request, callsAllowed);
          tally.leftOut(leftOut);
          const said = appended(each, calls);
          if (isDraft && calls.length === 0 && isAnswer(each, request)) {
            const answer = schema.answerIn(each.text);
            if (answer !== undefined) yield* visible.kept(index, answer);
            else {
              const again = [...messages, ...askedInForm(said)];
              const once = { ...request, n: 1 };
              const inForm = { of: schema, keeps: true };
              drafts.push({ index, asked: policyRequest(once, again, native, tools, spent, inForm, tally.bytes) });
            }
          }
          yield { type: 'step', step: step.whole(each, calls, said, false, index), visible: visible.message(index) };
        }
        if (drafts.length === 0) return tally.chosen(actions, callsAllowed);
        const again = yield* askedAgain(drafts, request, policy, clock, visible, tally);
        if ('ending' in again) return again;
        return tally.chosen(
          actions.map((each, index) => again.get(index) ?? each),
          callsAllowed,
        );
      }

      const settled = settle(action, request, callsAllowed);
      tally.leftOut(settled.leftOut);
      if (isDraft && settled.calls.length === 0 && isAnswer(action, request)) {
        const answer = schema.answerIn(action.text);
        if (answer === undefined) {
          const said = appended(action, []);
          yield { type: 'step', step: step.whole(action, [], said), visible: visible.message(0) };
          messages = [...messages, ...askedInForm(said)];
          tally.wentOn(action);
          answering = true;
          continue;
        }
        for (const shown of visible.kept(0, answer)) {
          telling?.tell(shown, answer === action.text ? undefined : action.text.indexOf(answer));
          yield shown;
        }
      }
      const rest = visible.end(settled.server.length > 0);
      if (rest !== undefined) {
        telling?.tell(rest);
        yield rest;
      }

      const ends = action.cut || action.finishReason === 'content_filter' || limit !== undefined;
      if (ends || settled.server.length === 0) {
        // A call that was cut off is not run: of the calls only those the client has already seen stay in the history.
        yield {
          type: 'step',
          step: step.whole(action, settled.calls, appended(action, settled.client)),
          visible: visible.message(0),
        };
        return tally.answered(action, settled.client, settled.client.length > 0 ? undefined : limit);
      }

      const refusals = admit(settled.server, spent, limits);
      const calls = yield* observe(settled.calls, refusals, request, tools, limits, clock.signal, tally);
      const ended = clock.endedBy;
      const goesOn = ended === undefined && settled.client.length === 0;
      if (goesOn) {
        spent = spend(spent, calls);
        limit = reached(spent, refusals, limits);
      }
      const plain = toldLeftOut(appended(action, calls), settled.leftOut);
      const turn = limit === undefined || ownCall ? plain : toldToAnswer(plain);
      yield { type: 'step', step: step.whole(action, calls, turn, ended !== undefined), visible: visible.message(0) };

      if (ended !== undefined) return tally.stopped(ended);
      if (!goesOn) return tally.answered(action, settled.client, undefined);
      if (action.native !== undefined && turn[0] !== undefined)
        native = new Map([...(native ?? []), [turn[0], action.native]]);
      messages = [...messages, ...turn];
      tally.wentOn(action);
    }
  } finally {
    if (tally.finished) clock.stop();
    else clock.end('client');
  }
}

/**
 * Runs the server's calls in parallel and gives every call back in the policy's order, the server's with their
 * observations.
 */
async function* observe(
  calls: readonly OwnedCall[],
  refusals: readonly (LimitReason | undefined)[],
  request: LoopRequest,
  tools: readonly FunctionSpec[],
  limits: LoopLimits,
  signal: AbortSignal,
  tally: Tally,
): AsyncGenerator<LoopEvent, readonly OwnedCall[]> {
  const names = tools.map(({ name }) => name);
  let server = 0;
  const running = calls.map((call) => {
    if (call.owner === 'client') return undefined;
    const refused = refusals[server++];
    return refused === undefined
      ? execute(call, request.serverTools, limits.tool, signal, names)
      : Promise.resolve({ content: refusal(refused, limits), error: 'limit' as const, ms: 0 });
  });
  for (const [at, call] of calls.entries()) if (running[at] !== undefined) yield { type: 'tool_started', call };

  const observed: OwnedCall[] = [];
  for (const [at, call] of calls.entries()) {
    const observation = await running[at];
    observed.push(observation === undefined ? call : { ...call, observation });
    if (observation === undefined) continue;
    tally.observed(call, observation);
    yield { type: 'tool_finished', call, observation };
  }
  return observed;
}

/**
 * Whether an action without calls is the policy's answer, perhaps in need of another form: not where a filter ended it,
 * or where it filled what the engine can hold, so that nothing more fits.
 */
function isAnswer(action: Action, { sampling }: LoopRequest): boolean {
  if (action.finishReason === 'content_filter') return false;
  return !action.cut || action.usage.completion_tokens >= (sampling.max_tokens ?? Infinity);
}
