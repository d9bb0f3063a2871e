/** Completions in /openapi.json. */
import { z } from 'zod';

import type { ProtocolOperation } from '../protocol/operation.js';

const text = z.string();
const int = z.int();
const ids = z.array(int);

const Completion = z.object({
  id: text,
  object: z.literal('text_completion'),
  created: int,
  model: text,
  system_fingerprint: text.nullable(),
  choices: z.array(
    z.object({
      index: int,
      text,
      logprobs: z
        .object({
          tokens: z.array(text),
          token_logprobs: z.array(z.number().nullable()),
          top_logprobs: z.array(z.record(text, z.number()).nullable()),
          text_offset: z.array(int),
        })
        .nullable(),
      finish_reason: z.enum(['stop', 'length', 'content_filter']),
      prompt_token_ids: ids.nullish(),
      token_ids: ids.optional(),
    }),
  ),
  usage: z.object({
    prompt_tokens: int,
    completion_tokens: int,
    total_tokens: int,
    prompt_tokens_details: z.object({ cached_tokens: int }),
  }),
});

export const COMPLETIONS_OPERATION: ProtocolOperation = {
  summary: 'Goes on with a raw prompt, without template and tools.',
  example: { model: 'gyre', prompt: 'Once upon a time', max_tokens: 16 },
  reply: { name: 'Completion', schema: Completion, says: 'What follows the prompt.' },
};
