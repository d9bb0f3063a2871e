/**
 * The turns of a history as an upstream took them: by the log, which knows who took a turn and how it came; and by what
 * its client sends back with turns that have calls, the reasoning before them and an upstream's own fields of the
 * calls. Without these some upstreams refuse the results. Of a turn with calls of ours as well, the client knows only
 * its own.
 *
 * What somebody else said in fields of its own goes to nobody: an upstream is not to read another's reasoning as its
 * own, and neither is the policy.
 */
import type { Message } from '../../core/message.js';
import type { NativeTurn, PastTurns, Policy } from '../../core/policy.js';
import type { AnswerRequest } from './request.js';

/** The history as an upstream is sent it; undefined where nothing of a turn is known but its words. */
export function nativeTurns(
  request: Pick<AnswerRequest, 'messages' | 'callFields'>,
  messages: readonly Message[],
  past: PastTurns | undefined,
): ReadonlyMap<Message, NativeTurn> | undefined {
  const byCall = sentBack(request, new Set(past?.foreign));
  if (byCall.size === 0 && (past === undefined || past.native.length === 0)) return undefined;
  const turns = new Map<Message, NativeTurn>();
  for (const message of byCall.size === 0 ? [] : messages) {
    if (message.role !== 'assistant') continue;
    const turn = message.tool_calls?.map(({ id }) => byCall.get(id)).find((found) => found !== undefined);
    if (turn !== undefined) turns.set(message, turn);
  }
  for (const [at, turn] of past?.native ?? []) {
    const message = messages[at];
    if (message !== undefined) turns.set(message, turn);
  }
  return turns;
}

/** The policy, which is not told what others reasoned in a history that its client has sent back with it. */
export function withoutForeign(policy: Policy, messages: readonly Message[], past: PastTurns | undefined): Policy {
  // As far as the history is the client's own, a turn has the same place in both; after that there is no reasoning.
  const foreign = new Set(
    past?.foreign.flatMap((at) => {
      const message = messages[at];
      return message?.role === 'assistant' && message.reasoning !== undefined ? [message] : [];
    }),
  );
  if (foreign.size === 0) return policy;
  const told = (message: Message): Message =>
    message.role === 'assistant' && foreign.has(message) ? { ...message, reasoning: undefined } : message;
  return {
    sample: (request, signal) => policy.sample({ ...request, messages: request.messages.map(told) }, signal),
  };
}

/** By the ids of calls. */
function sentBack(
  { messages, callFields }: Pick<AnswerRequest, 'messages' | 'callFields'>,
  foreign: ReadonlySet<number>,
): ReadonlyMap<string, NativeTurn> {
  const byCall = new Map<string, NativeTurn>();
  for (const [at, message] of messages.entries()) {
    if (message.role !== 'assistant' || message.tool_calls === undefined || foreign.has(at)) continue;
    const { reasoning, tool_calls: made } = message;
    const calls = made.flatMap(({ id }) => {
      const fields = callFields?.get(id);
      return fields === undefined ? [] : [[id, fields] as const];
    });
    if (calls.length === 0 && reasoning === undefined) continue;
    const turn = { message: {}, calls: Object.fromEntries(calls), reasoning };
    for (const { id } of made) byCall.set(id, turn);
  }
  return byCall;
}
