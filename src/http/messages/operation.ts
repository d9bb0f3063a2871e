/** The Messages API in /openapi.json: its answers and its counts. */
import { z } from 'zod';

import { LoopLimit, type ProtocolOperation } from '../protocol/operation.js';

const text = z.string();
const int = z.int();
const object = z.record(text, z.unknown());

const Block = z.union([
  z.object({ type: z.literal('text'), text }),
  z.object({ type: z.literal('thinking'), thinking: text, signature: text }),
  z.object({ type: z.literal('tool_use'), id: text, name: text, input: object, caller: object }),
]);
const Message = z.looseObject({
  id: text,
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: text,
  content: z.array(Block),
  stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal']),
  stop_sequence: text.nullable(),
  usage: z.looseObject({
    input_tokens: int,
    output_tokens: int,
    cache_read_input_tokens: int,
    cache_creation_input_tokens: int,
    server_tool_use: object.nullable(),
  }),
  context_management: z.object({ applied_edits: z.array(object) }).optional(),
  gyre: LoopLimit,
});
const QUESTION = { role: 'user', content: 'What is 17 * 23?' };

export const MESSAGES_OPERATION: ProtocolOperation = {
  summary: "The same as Anthropic's Messages API tells it.",
  example: { model: 'gyre', max_tokens: 256, messages: [QUESTION] },
  reply: { name: 'Message', schema: Message, says: 'The answer.' },
};

/** `POST /v1/messages/count_tokens`. */
export const COUNT_OPERATION: ProtocolOperation = {
  summary: 'How many tokens the prompt of a request has.',
  example: { model: 'gyre', messages: [QUESTION] },
  reply: { name: 'TokenCount', schema: z.object({ input_tokens: int }), says: 'The count.' },
  errors: [501],
};
