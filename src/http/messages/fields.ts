/**
 * Every field a request of the Messages API may have, and what becomes of it; as for chat, nothing is dropped silently.
 */
import { z } from 'zod';

import type { FieldsOf, FieldTable } from '../protocol/fields.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const object = z.record(z.string(), z.unknown());

/** A hint about the prompt cache, wherever it stands. The engine caches every prefix by itself. */
const cache_control = z.looseObject({}).nullish();

/** Blocks a policy of text cannot be shown, with the reason. */
const REFUSED_BLOCKS: Readonly<Record<string, string>> = {
  image: 'the policy reads text only',
  document: "the policy reads text only; send the document's text",
  search_result: 'send what was found as text',
  thinking: 'thinking is not supported; send the conversation without these blocks',
  redacted_thinking: 'thinking is not supported; send the conversation without these blocks',
};

function otherBlock(known: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => {
    const type = typeof input === 'object' && input !== null && 'type' in input ? input.type : undefined;
    if (typeof type !== 'string') return `must be a block with a "type", one of ${known}`;
    return (
      `blocks of the type ${JSON.stringify(type.slice(0, 100))} are not supported here: ` +
      (REFUSED_BLOCKS[type] ?? `only ${known} are`)
    );
  };
}

const TextBlock = z.strictObject({
  type: z.literal('text'),
  text,
  cache_control,
  citations: z.array(z.never({ error: 'citations are not supported' })).nullish(),
});
const Words = z.union([text, z.array(z.discriminatedUnion('type', [TextBlock], { error: otherBlock('"text"') }))]);

/** `caller` and `toolset_name` are what an SDK sends back of an answer. */
const ToolUse = z.strictObject({
  type: z.literal('tool_use'),
  id: text.min(1),
  name: text.min(1),
  input: z.record(z.string(), z.unknown(), 'must be an object'),
  caller: z.looseObject({ type: z.literal('direct', 'must be "direct": only the policy calls tools') }).nullish(),
  toolset_name: z.null().optional(),
  cache_control,
});
const ToolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: text.min(1),
  content: Words.nullish(),
  is_error: bool.nullish(),
  toolset_name: z.null().optional(),
  cache_control,
});

/** What a conversation is made of on the wire. */
export const Turn = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.literal('user'),
    content: z.union([
      text,
      z
        .array(z.discriminatedUnion('type', [TextBlock, ToolResult], { error: otherBlock('"text" and "tool_result"') }))
        .min(1),
    ]),
  }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.union([
      text,
      z.array(z.discriminatedUnion('type', [TextBlock, ToolUse], { error: otherBlock('"text" and "tool_use"') })),
    ]),
  }),
  z.strictObject({ role: z.literal('system'), content: Words }),
]);
export type Turn = z.infer<typeof Turn>;
export type Words = z.infer<typeof Words>;

const CustomTool = z.strictObject({
  // Stands first, so that a tool of another type is refused for its type and not for a field it lacks.
  type: z
    .literal(
      'custom',
      'must be "custom", or "gyre:" and the name of a server tool; tools that run elsewhere are not offered here',
    )
    .nullish(),
  name: text.regex(/^[a-zA-Z0-9_-]{1,128}$/, 'must be 1 to 128 letters, digits, "_" or "-"'),
  description: text.nullish(),
  input_schema: object,
  strict: bool.nullish(),
  /** True: the input is sent as it is written, without waiting for it to be whole. */
  eager_input_streaming: bool.nullish(),
  defer_loading: z.literal(false, 'must be false: every tool is declared to the policy at once').optional(),
  allowed_callers: z.array(z.literal('direct', 'must be "direct": only the policy calls tools')).nullish(),
  cache_control,
});
// Ends the check of its object, so that a tool of another type is not told what a server tool lacks.
const serverTool = text.regex(/^gyre:/, { error: 'must be "gyre:" and the name of a server tool', abort: true });

const oneCall = { disable_parallel_tool_use: bool.nullish() };

/** What a prompt is made of: a request for an answer and one for a count share it. */
const Prompt = {
  model: text.min(1),
  messages: z.array(Turn).min(1),
  system: Words,
  tools: z.array(z.union([CustomTool, z.strictObject({ type: serverTool, cache_control })])).max(128),
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
    format: z.strictObject({ type: z.literal('json_schema'), schema: object }).nullish(),
  }),
} as const;

/** Sent to the engine as they came. */
const Forwarded = { chat_template_kwargs: object, cache_salt: text } as const;

const Ignored = {
  cache_control: z.looseObject({}),
  service_tier: text,
  inference_geo: text,
  speed: z.literal('standard', 'must be "standard": there is one speed'),
  diagnostics: object,
  user_profile_id: text,
  workspace_id: text,
} as const;

const Refused: Readonly<Record<string, string>> = {
  thinking: 'The policy has no such control; what it reasons is logged and not shown.',
  container: 'There are no containers; offer a server tool in "tools" instead.',
  mcp_servers: "Servers of tools are the operator's to name, in the configuration.",
  context_management: 'A conversation is never cut silently.',
  compaction: 'A conversation is never cut silently.',
  thread: 'Send the conversation itself; the gateway finds where it goes on.',
  output_format: 'It was replaced by "output_config.format".',
  fallbacks: 'Every answer is by the model that was asked for.',
  fallback_credit_token: 'Every answer is by the model that was asked for.',
  billing_policy: 'Nothing is billed here.',
  betas: 'Send the header anthropic-beta.',
};

/** What shapes the answer and not the prompt. */
const Answer = {
  max_tokens: int.min(1),
  stream: bool,
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  top_k: int.min(0),
  stop_sequences: z.array(text.min(1)),
  // The protocol knows `user_id` alone; `gyre_task` and others go to the log with it, as with the other protocols.
  metadata: z
    .record(text.max(64), text.max(512).nullable())
    .refine((value) => Object.keys(value).length <= 16, 'has more than 16 keys'),
} as const;

const Supported = { ...Prompt, ...Answer } as const;

export const MESSAGE_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  forwarded: Forwarded,
  ignored: Ignored,
  refused: Refused,
  required: ['model', 'messages', 'max_tokens'],
};

/** `POST /v1/messages/count_tokens`. */
export const COUNT_FIELDS: FieldTable<typeof Prompt> = {
  supported: Prompt,
  forwarded: Forwarded,
  ignored: Ignored,
  refused: {
    ...Refused,
    ...Object.fromEntries(
      Object.keys(Answer).map((name) => [name, 'A count is of the prompt, which it does not change.']),
    ),
  },
  required: ['model', 'messages'],
};

export type MessageFields = FieldsOf<typeof MESSAGE_FIELDS.supported>;
