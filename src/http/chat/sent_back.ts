/**
 * What a client sends back of an upstream's own fields in turns with calls: without them some upstreams refuse the
 * results of those calls. The log has none of it, so a turn is found again by the id of its first call.
 */
import type { AssistantMessage, Message } from '../../core/message.js';
import type { MessageInput } from '../../core/message_input.js';
import type { NativeTurn } from '../../core/policy.js';

/** By the id of the first call; undefined where no turn has any. */
export function sentBack(messages: readonly MessageInput[]): ReadonlyMap<string, NativeTurn> | undefined {
  let found: Map<string, NativeTurn> | undefined;
  for (const message of messages) {
    if (message.role !== 'assistant') continue;
    const [first] = message.tool_calls ?? [];
    if (first === undefined) continue;
    const calls = (message.tool_calls ?? []).flatMap(({ id, extra_content: extra }) =>
      extra === undefined || extra === null ? [] : [[id, { extra_content: extra }] as const],
    );
    const reasoning = message.reasoning_content ?? undefined;
    if (calls.length === 0 && reasoning === undefined) continue;
    (found ??= new Map()).set(first.id, {
      message: reasoning === undefined ? {} : { reasoning_content: reasoning },
      calls: Object.fromEntries(calls),
    });
  }
  return found;
}

/** The same by message, for the history as the policy is sent it. */
export function byMessage(
  turns: ReadonlyMap<string, NativeTurn>,
  messages: readonly Message[],
): ReadonlyMap<Message, NativeTurn> {
  const firstCall = ({ tool_calls: calls }: AssistantMessage): string => calls?.[0]?.id ?? '';
  return new Map(
    messages.flatMap((message): [Message, NativeTurn][] => {
      const turn = message.role === 'assistant' ? turns.get(firstCall(message)) : undefined;
      return turn === undefined ? [] : [[message, turn]];
    }),
  );
}
