/**
 * What a client sends back with turns that have calls: the reasoning before them, and an upstream's own fields of the
 * calls. Without these some upstreams refuse the results. The log has none of it, so a turn is found again by the ids
 * of its calls: of a turn with calls of ours as well, the client knows only its own.
 */
import type { Message } from '../../core/message.js';
import type { NativeTurn } from '../../core/policy.js';
import type { AnswerRequest } from './request.js';

/** The history as an upstream is sent it; undefined where nothing of a turn comes back. */
export function sentBack(
  { messages: said, callFields }: Pick<AnswerRequest, 'messages' | 'callFields'>,
  messages: readonly Message[],
): ReadonlyMap<Message, NativeTurn> | undefined {
  const byCall = new Map<string, NativeTurn>();
  for (const message of said) {
    if (message.role !== 'assistant' || message.tool_calls === undefined) continue;
    const { reasoning, tool_calls: made } = message;
    const calls = made.flatMap(({ id }) => {
      const fields = callFields?.get(id);
      return fields === undefined ? [] : [[id, fields] as const];
    });
    if (calls.length === 0 && reasoning === undefined) continue;
    const turn = { message: {}, calls: Object.fromEntries(calls), reasoning };
    for (const { id } of made) byCall.set(id, turn);
  }
  if (byCall.size === 0) return undefined;
  return new Map(
    messages.flatMap((message): [Message, NativeTurn][] => {
      if (message.role !== 'assistant') return [];
      const turn = message.tool_calls?.map(({ id }) => byCall.get(id)).find((found) => found !== undefined);
      return turn === undefined ? [] : [[message, turn]];
    }),
  );
}
