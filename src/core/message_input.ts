/**
 * Messages as clients and task files write them. What would change the meaning of a conversation and is not known is
 * refused by name; the fields an SDK adds when it resends an answer are known and dropped.
 */
import { z } from 'zod';

import type { Message, WireToolCall } from './message.js';

const Part = z
  .looseObject({ type: z.string(), text: z.string().optional() })
  .refine((part) => part.type !== 'text' || part.text !== undefined, {
    message: 'a part of type "text" needs a "text"',
    path: ['text'],
  });
const Content = z.union([z.string(), z.array(Part).min(1)]);
const name = z.string().nullish();

const Call = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function').default('function'),
  function: z.strictObject({
    name: z.string().min(1),
    arguments: z.string(),
    parsed_arguments: z.unknown().optional(),
  }),
  /** An upstream's own, which it wants back. */
  extra_content: z.unknown().optional(),
  /** Left over from a streamed delta. */
  index: z.unknown().optional(),
});

/** Every role OpenAI has, but `function`, which tools replaced. */
export const MessageSchema = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: Content, name }),
  z.strictObject({ role: z.literal('developer'), content: Content, name }),
  z.strictObject({ role: z.literal('user'), content: Content, name }),
  z.strictObject({
    role: z.literal('assistant'),
    content: Content.nullish(),
    tool_calls: z.array(Call).nullish(),
    reasoning: z.string().nullish(),
    reasoning_content: z.string().nullish(),
    name,
    refusal: z.string().nullish(),
    annotations: z.array(z.unknown()).nullish(),
    audio: z.null().optional(),
    function_call: z.null().optional(),
    parsed: z.unknown().optional(),
  }),
  z.strictObject({ role: z.literal('tool'), tool_call_id: z.string().min(1), content: Content, name }),
]);

export type MessageInput = z.infer<typeof MessageSchema>;

/** The message a client or a task file means: what an SDK or an engine wrapped it in is left out. */
export function toMessage(input: MessageInput): Message {
  switch (input.role) {
    case 'assistant': {
      const calls = (input.tool_calls ?? []).map((call): WireToolCall => ({
        id: call.id,
        type: 'function',
        function: { name: call.function.name, arguments: call.function.arguments },
      }));
      const reasoning = input.reasoning ?? input.reasoning_content ?? '';
      return {
        role: 'assistant',
        content: input.content ?? (calls.length === 0 ? (input.refusal ?? '') : null),
        tool_calls: calls.length === 0 ? undefined : calls,
        reasoning: reasoning === '' ? undefined : reasoning,
      };
    }
    case 'tool':
      return { role: 'tool', tool_call_id: input.tool_call_id, content: input.content };
    case 'system':
    case 'developer':
    case 'user':
      return { role: input.role, content: input.content, name: input.name ?? undefined };
    default:
      return input satisfies never;
  }
}
