/** Every field a request of the Messages API may have, and what becomes of it. */
import { z } from 'zod';

import { type FieldsOf, type FieldTable, metadataOf, MetadataText, type Refusal } from '../protocol/fields.js';
import { Turn, Words } from './blocks.js';
import { MessageTool, serverTool } from './tools.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const object = z.record(z.string(), z.unknown());

/** Edits of the conversation that a service would make. To leave out earlier reasoning is up to the template. */
const ContextManagement = z.object({
  edits: z
    .array(
      z.looseObject({
        type: text.refine((type) => type.startsWith('clear_thinking_'), {
          error: ({ input }) =>
            `${JSON.stringify(String(input).slice(0, 100))} is not supported: a conversation is never cut silently; ` +
            'only "clear_thinking_20251015" is taken, which changes nothing here',
        }),
      }),
    )
    .nullish(),
});
const Format = z.looseObject({ type: z.literal('json_schema'), schema: object });
const Thinking = z.object({
  type: z.enum(['adaptive', 'enabled', 'disabled']),
  /** Not a bound here: "max_tokens" is. */
  budget_tokens: int.min(1).nullish(),
  display: z.enum(['summarized', 'omitted']).nullish(),
});

const oneCall = { disable_parallel_tool_use: bool.nullish() };

/** What a prompt is made of: a request for an answer and one for a count share it. */
const Prompt = {
  model: text.min(1),
  messages: z.array(Turn).min(1),
  system: Words,
  tools: z.array(MessageTool).max(128),
  tool_choice: z.union([
    z.strictObject({
      type: z.enum(
        ['auto', 'any', 'none'],
        'must be "auto", "any", "none", "tool" with a "name", or "gyre:" and the name of a server tool',
      ),
      ...oneCall,
    }),
    z.strictObject({ type: z.literal('tool'), name: text.min(1), ...oneCall }),
    z.strictObject({ type: serverTool, ...oneCall }),
  ]),
  output_config: z.strictObject({
    effort: text.nullish(),
    format: Format.nullish(),
    /** Said to models that were trained to mind it. */
    task_budget: object.nullish(),
  }),
  /** The older name of "output_config.format". */
  output_format: Format,
  thinking: Thinking,
  context_management: ContextManagement,
} as const;

/** Sent to the engine as they came. */
const Forwarded = { chat_template_kwargs: object, cache_salt: text } as const;

const Ignored = {
  cache_control: object,
  betas: z.array(text),
  service_tier: text,
  inference_geo: text,
  /** A hint: there is one speed. */
  speed: text,
  billing_policy: z.unknown(),
  fallback_credit_token: z.union([text, object]),
  diagnostics: object,
  user_profile_id: text,
  workspace_id: text,
} as const;

const none = z.array(z.unknown()).max(0);

const Refused: Readonly<Record<string, Refusal>> = {
  container: 'There are no containers; offer a server tool in "tools" instead.',
  mcp_servers: { reason: "Servers of tools are the operator's to name, in the configuration.", unless: none },
  compaction: 'A conversation is never cut silently.',
  thread: 'Send the conversation itself; the gateway finds where it goes on.',
  fallbacks: { reason: 'Every answer is by the model that was asked for.', unless: none },
};

const notes = {
  output_config: '"task_budget" has no effect',
  thinking: '"budget_tokens" bounds nothing: "max_tokens" does',
  context_management: 'what is accepted of it has no effect',
  speed: 'there is one speed',
} as const;

/** What shapes the answer and not the prompt. */
const Answer = {
  max_tokens: int.min(1),
  stream: bool,
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  top_k: int.min(0),
  stop_sequences: z.array(text.min(1)),
  // The protocol knows `user_id` alone; `gyre_task` and others go to the log with it, as with the other protocols.
  metadata: metadataOf(MetadataText.nullable()),
} as const;

const Supported = { ...Prompt, ...Answer } as const;

export const MESSAGE_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  forwarded: Forwarded,
  ignored: Ignored,
  refused: Refused,
  required: ['model', 'messages', 'max_tokens'],
  notes,
};

/** `POST /v1/messages/count_tokens`. */
export const COUNT_FIELDS: FieldTable<typeof Prompt> = {
  supported: Prompt,
  forwarded: Forwarded,
  ignored: { ...Ignored, ...Answer },
  refused: Refused,
  required: ['model', 'messages'],
  notes,
};

export type MessageFields = FieldsOf<typeof MESSAGE_FIELDS.supported>;
