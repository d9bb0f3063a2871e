/** The Responses API in /openapi.json. */
import { z } from 'zod';

import { type ProtocolOperation, ServerToolUseShape } from '../protocol/operation.js';

const text = z.string();
const int = z.int();
const object = z.record(text, z.unknown());

const Response = z.looseObject({
  id: text,
  object: z.literal('response'),
  created_at: int,
  completed_at: int.nullable(),
  status: z.enum(['in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
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
  gyre: z
    .object({ stop_reason: text.optional(), tools_left_out: z.array(text).optional() })
    .optional()
    .describe('The limit of the loop that ended the answer, and tools that are not here, where there are any.'),
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

/** `POST /v1/responses/input_tokens`. */
export const INPUT_TOKENS_OPERATION: ProtocolOperation = {
  summary: 'How many tokens the prompt of a request has.',
  example: { model: 'gyre', input: 'What is 17 * 23?' },
  reply: {
    name: 'InputTokens',
    schema: z.object({ object: z.literal('response.input_tokens'), input_tokens: int }),
    says: 'The count.',
  },
  errors: [501],
};

/** `POST /v1/responses/compact`. */
export const COMPACT_OPERATION: ProtocolOperation = {
  summary: 'A conversation, summed up by the policy, to be sent in its place.',
  whole: true,
  example: { model: 'gyre', input: 'We launch on Tuesday, and tell support first.' },
  reply: {
    name: 'Compaction',
    schema: z.object({
      id: text,
      object: z.literal('response.compaction'),
      created_at: int,
      output: z.array(z.looseObject({ type: z.enum(['message', 'compaction']), id: text })),
      usage: object,
    }),
    says: 'What to send as the beginning of the next input.',
  },
};
