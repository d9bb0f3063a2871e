/**
 * Every field a request of the Responses API may have, and what becomes of it; as for chat, nothing is dropped
 * silently.
 */
import { z } from 'zod';

import { nearest } from '../../core/text/nearest.js';
import { ENGINE_FIELDS, SAMPLING_FIELDS } from '../protocol/engine_fields.js';
import type { FieldsOf, FieldTable } from '../protocol/fields.js';
import { Item } from './item_fields.js';
import { ToolChoiceField, ToolField } from './tool_fields.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const object = z.record(z.string(), z.unknown());

/** More that an answer may have in it. Of all this there is only the one: the others have nothing to give. */
export const INCLUDABLE: readonly string[] = [
  'message.output_text.logprobs',
  'reasoning.encrypted_content',
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
];

const summary = z.enum(['auto', 'concise', 'detailed']).nullish();

const Supported = {
  model: text.min(1),
  input: z.union([text, z.array(Item).min(1)]),
  instructions: text,
  previous_response_id: text.min(1),
  stream: bool,
  stream_options: z.looseObject({ include_obfuscation: bool.nullish() }),
  tools: z.array(ToolField).max(128),
  tool_choice: ToolChoiceField,
  parallel_tool_calls: bool,
  max_output_tokens: int.min(1),
  max_tool_calls: int.min(1),
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  top_logprobs: int.min(0).max(20),
  include: z.array(
    z.enum(INCLUDABLE, {
      error: ({ input }) => `is not known; did you mean "${nearest(String(input).slice(0, 100), INCLUDABLE)}"?`,
    }),
  ),
  ...SAMPLING_FIELDS,
  text: z.strictObject({
    format: z
      .union([
        z.strictObject({ type: z.enum(['text', 'json_object']) }),
        z.strictObject({
          type: z.literal('json_schema'),
          name: text,
          schema: object,
          strict: bool.nullish(),
          description: text.nullish(),
        }),
      ])
      .nullish(),
    verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  }),
  reasoning: z.strictObject({
    effort: text.nullish(),
    summary,
    generate_summary: summary,
    mode: text.nullish(),
    context: text.nullish(),
  }),
  store: bool,
  metadata: z
    .record(text.max(64), text.max(512))
    .refine((value) => Object.keys(value).length <= 16, 'has more than 16 keys'),
  truncation: z.enum(['auto', 'disabled']),
  background: z.literal(false, 'must be false: answers are given while the client waits'),
  user: text,
  safety_identifier: text,
  prompt_cache_key: text,
  prompt_cache_retention: text,
  service_tier: text,
} as const;

export const RESPONSE_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  echoed: ['truncation', 'user', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention', 'service_tier'],
  forwarded: ENGINE_FIELDS,
  ignored: {
    client_metadata: object,
    prompt_cache_options: object,
    // A conversation that does not fit is refused; nothing is taken out of it before.
    context_management: z.array(
      z.looseObject({ type: z.literal('compaction', 'must be "compaction": other edits would change the answer') }),
    ),
  },
  refused: {
    conversation: 'Send "previous_response_id", or the items themselves.',
    prompt: 'There are no stored prompts.',
    moderation: 'The gateway does not moderate.',
    messages: 'Send "input", or ask /v1/chat/completions.',
    max_tokens: 'Send "max_output_tokens".',
    max_completion_tokens: 'Send "max_output_tokens".',
    response_format: 'Send "text.format".',
    reasoning_effort: 'Send "reasoning.effort".',
    verbosity: 'Send "text.verbosity".',
    n: 'An answer is one; ask again for another.',
  },
  required: ['model', 'input'],
};

const { model, input, instructions, previous_response_id, tools, tool_choice } = Supported;
const { parallel_tool_calls, reasoning, text: form, truncation, include } = Supported;
const said = { model, input, instructions, previous_response_id } as const;
const unused = (reason: string, kept: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> => ({
  ...RESPONSE_FIELDS.refused,
  ...Object.fromEntries(
    Object.keys(Supported)
      .filter((name) => !Object.hasOwn(kept, name))
      .map((name) => [name, reason]),
  ),
});

/** `POST /v1/responses/input_tokens`: what makes the prompt. */
const Prompt = { ...said, tools, tool_choice, parallel_tool_calls, reasoning, text: form } as const;
const CountIgnored = { ...RESPONSE_FIELDS.ignored, truncation, personality: text };
export const COUNT_FIELDS: FieldTable<typeof Prompt> = {
  supported: Prompt,
  forwarded: ENGINE_FIELDS,
  ignored: CountIgnored,
  refused: unused('A count is of the prompt, which it does not change.', { ...Prompt, ...CountIgnored }),
  required: ['model', 'input'],
};

/** `POST /v1/responses/compact`: what is to be summed up. Codex sends what it would send to be answered. */
const CompactIgnored = {
  ...RESPONSE_FIELDS.ignored,
  tools,
  tool_choice,
  parallel_tool_calls,
  reasoning,
  text: form,
  include,
  truncation,
  prompt_cache_key: text,
  prompt_cache_retention: text,
  service_tier: text,
  safety_identifier: text,
  store: bool,
  stream: z.literal(false, 'must be false: a compaction comes whole'),
};
export const COMPACT_FIELDS: FieldTable<typeof said> = {
  supported: said,
  forwarded: {},
  ignored: CompactIgnored,
  refused: unused('A compaction is not shaped by it.', { ...said, ...CompactIgnored }),
  required: ['model', 'input'],
};

export type ResponseFields = FieldsOf<typeof RESPONSE_FIELDS.supported>;
