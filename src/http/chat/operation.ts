/** Chat Completions in /openapi.json. */
import { z } from 'zod';

import { LoopLimit, type ProtocolOperation, ServerToolUseShape } from '../protocol/operation.js';

const text = z.string();
const int = z.int();
const ids = z.array(int);

const Completion = z.object({
  id: text,
  object: z.literal('chat.completion'),
  created: int,
  model: text,
  system_fingerprint: text.nullable(),
  choices: z.array(
    z.object({
      index: int,
      message: z.object({
        role: z.literal('assistant'),
        content: text.nullable(),
        refusal: text.nullable(),
        reasoning: text.optional(),
        reasoning_content: text.optional(),
        tool_calls: z
          .array(
            z.union([
              z.object({
                id: text,
                type: z.literal('function'),
                function: z.object({ name: text, arguments: text }),
                extra_content: z.unknown().optional().describe("An upstream's own, which it wants back."),
              }),
              z.object({ id: text, type: z.literal('custom'), custom: z.object({ name: text, input: text }) }),
            ]),
          )
          .optional(),
        annotations: z.array(z.unknown()).optional().describe('Of an upstream, as are the fields below.'),
        citations: z.array(z.unknown()).optional(),
        search_results: z.array(z.unknown()).optional(),
        images: z.array(z.unknown()).optional(),
        audio: z.record(text, z.unknown()).optional(),
      }),
      logprobs: z.object({ content: z.array(z.record(text, z.unknown())), refusal: z.null() }).nullable(),
      finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter']),
      token_ids: ids.optional(),
    }),
  ),
  usage: z.object({
    prompt_tokens: int,
    completion_tokens: int,
    total_tokens: int,
    prompt_tokens_details: z.object({ cached_tokens: int }),
    completion_tokens_details: z.object({ reasoning_tokens: int }),
    server_tool_use: ServerToolUseShape,
  }),
  gyre: LoopLimit,
  prompt_token_ids: ids.optional(),
});

export const CHAT_OPERATION: ProtocolOperation = {
  summary: "Answers a conversation, running the server's tools on the way.",
  example: {
    model: 'gyre',
    messages: [{ role: 'user', content: 'What is 17 * 23?' }],
    tools: [{ type: 'gyre:calculator' }],
    max_tokens: 256,
  },
  reply: { name: 'ChatCompletion', schema: Completion, says: 'The answer.' },
};
