/**
 * Every field a request of the Responses API may have, and what becomes of it; as for chat, no parameter of the
 * request is dropped silently.
 */
import { z } from 'zod';

import { nearest } from '../../core/text/nearest.js';
import { ENGINE_FIELDS, ENGINE_IGNORED, ENGINE_REFUSED, SAMPLING_FIELDS } from '../protocol/engine_fields.js';
import { type FieldsOf, type FieldTable, metadataOf, MetadataText } from '../protocol/fields.js';
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
  metadata: metadataOf(MetadataText),
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
    ...ENGINE_IGNORED,
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
    enable_response_messages: {
      reason: 'An answer is told in items; "GET /gyre/v1/trajectories/{id}" has the turns of it.',
      unless: z.literal(false),
    },
    previous_input_messages: {
      reason: 'Send "previous_response_id", or the items themselves.',
      unless: z.array(z.unknown()).max(0),
    },
    ...ENGINE_REFUSED,
    n: { reason: 'An answer is one; ask again for another.', unless: z.literal(1) },
  },
  required: ['model', 'input'],
  notes: {
    stream_options: 'it has no effect: nothing is padded',
    text: '"verbosity" is given back and has no effect',
    reasoning: 'all but "effort" is given back and has no effect',
    include: 'only "message.output_text.logprobs" has an effect: of the others there is nothing to give',
    request_id: 'the header x-request-id names a request',
    length_penalty: 'it shapes beams, of which there are none',
    early_stopping: 'it shapes beams, of which there are none',
    context_management: 'what does not fit is refused, and nothing is taken out before',
  },
};

/** What Codex says of how to speak. */
const personality = text;
const { model, input, instructions, previous_response_id } = Supported;
const { tools, tool_choice, parallel_tool_calls, reasoning, text: form } = Supported;
const said = { model, input, instructions, previous_response_id } as const;

/** What shapes an answer changes neither a count nor a compaction: clients send it with the rest. */
const ignoredBut = (kept: Readonly<Record<string, unknown>>): Readonly<Record<string, z.ZodType>> => ({
  ...Object.fromEntries(
    Object.entries({ ...ENGINE_FIELDS, ...Supported, ...RESPONSE_FIELDS.ignored }).filter(
      ([name]) => !Object.hasOwn(kept, name),
    ),
  ),
  background: bool,
  personality,
});

/** `POST /v1/responses/input_tokens`: what makes the prompt. */
const Prompt = { ...said, tools, tool_choice, parallel_tool_calls, reasoning, text: form } as const;
export const COUNT_FIELDS: FieldTable<typeof Prompt> = {
  supported: Prompt,
  forwarded: ENGINE_FIELDS,
  ignored: ignoredBut({ ...Prompt, ...ENGINE_FIELDS }),
  refused: RESPONSE_FIELDS.refused,
  required: ['model', 'input'],
};

/** `POST /v1/responses/compact`: what is to be summed up. Codex sends what it would send to be answered. */
export const COMPACT_FIELDS: FieldTable<typeof said> = {
  supported: said,
  forwarded: {},
  ignored: ignoredBut(said),
  refused: RESPONSE_FIELDS.refused,
  required: ['model', 'input'],
};

export type ResponseFields = FieldsOf<typeof RESPONSE_FIELDS.supported>;
