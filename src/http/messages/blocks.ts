/**
 * What a conversation of the Messages API is made of. A field that is not known is dropped; a block that is not known
 * is refused, because to leave it out would change what was said.
 */
import { z } from 'zod';

const bool = z.boolean();
const text = z.string();

const TextBlock = z.object({ type: z.literal('text'), text });

const Image = z.object({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('base64'), media_type: text.min(1), data: text.min(1) }),
    z.object({ type: z.literal('url'), url: text.min(1) }),
    z.object({ type: z.literal('file'), file_id: text.min(1) }),
  ]),
});
const Document = z.object({
  type: z.literal('document'),
  title: text.nullish(),
  context: text.nullish(),
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('text'), data: text }),
    z.object({ type: z.literal('base64'), media_type: text.min(1), data: text.min(1) }),
    z.object({ type: z.literal('url'), url: text.min(1) }),
    z.object({ type: z.literal('file'), file_id: text.min(1) }),
    z.object({
      type: z.literal('content'),
      content: z.union([text, z.array(z.discriminatedUnion('type', [TextBlock, Image]))]),
    }),
  ]),
});
const SearchResult = z.object({
  type: z.literal('search_result'),
  source: text,
  title: text,
  content: z.array(TextBlock),
});
/** A tool that was found by name. */
const ToolReference = z.object({ type: z.literal('tool_reference'), tool_name: text });

/** What others' own tools left in a conversation: their words are kept. */
const Hosted = z.looseObject({
  type: z.enum([
    'server_tool_use',
    'web_search_tool_result',
    'web_fetch_tool_result',
    'code_execution_tool_result',
    'bash_code_execution_tool_result',
    'text_editor_code_execution_tool_result',
    'tool_search_tool_result',
    'advisor_tool_result',
    'mcp_tool_use',
    'mcp_tool_result',
    'mcp_tool_listing',
    'container_upload',
    'compaction',
    'fallback',
  ]),
});

const ToolUse = z.object({
  type: z.literal('tool_use'),
  id: text.min(1),
  name: text.min(1),
  input: z.record(z.string(), z.unknown(), 'must be an object'),
});
const ToolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: text.min(1),
  content: z
    .union([
      text,
      z.array(
        z.discriminatedUnion('type', [TextBlock, Image, Document, SearchResult, ToolReference], {
          error: otherBlock('"text", "image", "document" and "search_result"'),
        }),
      ),
    ])
    .nullish(),
  is_error: bool.nullish(),
});
const Thinking = z.object({ type: z.literal('thinking'), thinking: text, signature: text.nullish() });
const RedactedThinking = z.object({ type: z.literal('redacted_thinking') });

export const Words = z.union([
  text,
  z.array(z.discriminatedUnion('type', [TextBlock], { error: otherBlock('"text"') })),
]);

export const Turn = z.discriminatedUnion('role', [
  z.object({
    role: z.literal('user'),
    content: z.union([
      text,
      z
        .array(
          z.discriminatedUnion('type', [TextBlock, Image, Document, SearchResult, ToolResult, Hosted], {
            error: otherBlock('"text", "image", "document", "search_result" and "tool_result"'),
          }),
        )
        .min(1),
    ]),
  }),
  z.object({
    role: z.literal('assistant'),
    content: z.union([
      text,
      z.array(
        z.discriminatedUnion('type', [TextBlock, ToolUse, Thinking, RedactedThinking, Hosted], {
          error: otherBlock('"text", "tool_use" and "thinking"'),
        }),
      ),
    ]),
  }),
  z.object({ role: z.literal('system'), content: Words }),
]);
export type Turn = z.infer<typeof Turn>;
export type Words = z.infer<typeof Words>;

export type Hosted = z.infer<typeof Hosted>;

type Block = Exclude<Turn['content'], string>[number];
export type AnyBlock = Block | Exclude<NonNullable<z.infer<typeof ToolResult>['content']>, string>[number];

function otherBlock(known: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => {
    const type = typeof input === 'object' && input !== null && 'type' in input ? input.type : undefined;
    if (typeof type !== 'string') return `must be a block with a "type", one of ${known}`;
    return `blocks of the type ${JSON.stringify(type.slice(0, 100))} are not supported here: only ${known} are`;
  };
}
