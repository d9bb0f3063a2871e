/** The Responses API in /openapi.json. */
import { z } from 'zod';

import { LoopLimit, type ProtocolOperation, ServerToolUseShape } from '../protocol/operation.js';

const text = z.string();
const int = z.int();
const object = z.record(text, z.unknown());

const Response = z.looseObject({
  id: text,
  object: z.literal('response'),
  created_at: int,
  completed_at: int.nullable(),
  status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
  model: text,
  output: z.array(
    z.looseObject({
      type: z.enum(['message', 'reasoning', 'function_call', 'custom_tool_call', 'mcp_call']),
      id: text,
      status: text,
    }),
  ),
  error: object.nullable(),
  incomplete_details: z.object({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
  gyre: LoopLimit,
  usage: z.object({
    input_tokens: int,
    output_tokens: int,
    total_tokens: int,
    input_tokens_details: z.object({ cached_tokens: int, cache_write_tokens: int }),
    output_tokens_details: z.object({ reasoning_tokens: int }),
    server_tool_use: ServerToolUseShape,
  }),
});

export const RESPONSES_OPERATION: ProtocolOperation = {
  summary: 'The same as the Responses API tells it.',
  example: {
    model: 'gyre',
    input: 'What is 17 * 23?',
    instructions: 'Answer briefly.',
  },
  reply: { name: 'Response', schema: Response, says: 'The answer.' },
};
