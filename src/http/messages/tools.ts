/** Tools as the Messages API writes them: the client's own, those whose schema every Claude knows, and hosted ones. */
import { z } from 'zod';

import { writeJson } from '../../core/text/json.js';
import { toolName } from '../protocol/fields.js';
import { hostedTool } from '../protocol/hosted.js';
import type { AnswerRequest } from '../protocol/request.js';
import { publishedTool } from './published_tools.js';

const bool = z.boolean();
const text = z.string();
const object = z.record(z.string(), z.unknown());

const loading = {
  defer_loading: z.literal(false, 'must be false: every tool is declared to the policy at once').nullish(),
  allowed_callers: z
    .array(text)
    .refine((callers) => callers.includes('direct'), 'must have "direct": only the policy calls tools')
    .nullish(),
};

const name = toolName(128);

const CustomTool = z.object({
  // Stands first, so that a tool of another type is refused for its type and not for a field it lacks.
  type: z
    .literal(
      'custom',
      'must be "custom", "gyre:" and the name of a server tool, or a type of Anthropic\'s with its date, ' +
        'such as "web_search_20250305"',
    )
    .nullish(),
  name,
  description: text.nullish(),
  input_schema: object,
  strict: bool.nullish(),
  /** True: the input is sent as it is written, without waiting for it to be whole. */
  eager_input_streaming: bool.nullish(),
  input_examples: z.array(object).nullish(),
  ...loading,
});
const TypedTool = z.looseObject({
  type: text.regex(/^(?:[a-z][a-z0-9_]{0,50}_\d{8}|mcp_toolset)$/, { error: 'is not a type of a tool', abort: true }),
  name: name.nullish(),
  ...loading,
});
// Ends the check of its object, so that a tool of another type is not told what a server tool lacks.
export const serverTool = text.regex(/^gyre:/, {
  error: 'must be "gyre:" and the name of a server tool',
  abort: true,
});

export const MessageTool = z.union([CustomTool, z.object({ type: serverTool }), TypedTool]);
export type MessageTool = z.infer<typeof MessageTool>;

export function toolOf(tool: MessageTool): AnswerRequest['tools'][number] {
  if (isOwn(tool)) return ownTool(tool);
  if (tool.type.startsWith('gyre:')) return { type: tool.type };
  const published = publishedTool(tool);
  return published === undefined ? hostedTool(tool.type) : { type: 'function', function: published };
}

function isOwn(tool: MessageTool): tool is z.infer<typeof CustomTool> {
  return tool.type === undefined || tool.type === null || tool.type === 'custom';
}

function ownTool({
  name,
  description,
  input_schema: parameters,
  strict,
  input_examples: examples,
}: z.infer<typeof CustomTool>): AnswerRequest['tools'][number] {
  const shown = (examples ?? []).map((example) => writeJson(example));
  return {
    type: 'function',
    function: {
      name,
      description:
        shown.length === 0 ? description : [description ?? '', 'Examples of its input:', ...shown].join('\n').trim(),
      parameters,
      strict,
    },
  };
}
