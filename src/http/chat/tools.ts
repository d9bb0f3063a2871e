/** Tools of Chat Completions as they come, the choice among them, and what they are to the policy. */
import { z } from 'zod';

import { toolName } from '../protocol/fields.js';
import { FREEFORM, freeformDescription } from '../protocol/freeform.js';
import type { AnswerRequest, ToolName } from '../protocol/request.js';

const bool = z.boolean();
const text = z.string();

const OTHERS = 'must be "function", "custom", or "gyre:" and the name of a server tool';

const FunctionTool = z.object({
  type: z.literal('function', OTHERS).default('function'),
  function: z.object({
    name: toolName(64),
    description: text.nullish(),
    parameters: z.record(text, z.unknown()).nullish(),
    strict: bool.nullish(),
  }),
});
// Each ends the check of its object, so that a tool with a fault is told its own and not that it is no other.
const custom = text.regex(/^custom$/, { error: OTHERS, abort: true });
const serverTool = text.regex(/^gyre:/, { error: OTHERS, abort: true });

const CustomTool = z.object({
  type: custom,
  custom: z.object({
    name: toolName(64),
    description: text.nullish(),
    format: z
      .discriminatedUnion('type', [
        z.object({ type: z.literal('text') }),
        z.object({ type: z.literal('grammar'), grammar: z.object({ syntax: text, definition: text }) }),
      ])
      .nullish(),
  }),
});

export const ToolField = z.union([FunctionTool, CustomTool, z.object({ type: serverTool })]);
export type ToolField = z.infer<typeof ToolField>;

const Allowed = z.looseObject(
  {
    mode: z.enum(['auto', 'required']),
    tools: z.array(
      z.union([
        z.looseObject({ type: z.literal('function'), function: z.looseObject({ name: text }) }),
        z.looseObject({ type: custom, custom: z.looseObject({ name: text }) }),
        z.looseObject({ type: serverTool }),
      ]),
      'must be the list of the tools that may be called',
    ),
  },
  'must have the "mode", "auto" or "required", and the list "tools" of those that may be called',
);

export const ToolChoiceField = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: text }) }),
  z.strictObject({ type: custom, custom: z.looseObject({ name: text }) }),
  z.strictObject({ type: serverTool }),
  z.looseObject({
    type: text.regex(/^allowed_tools$/, { error: 'must be "allowed_tools"', abort: true }),
    allowed_tools: Allowed,
  }),
]);

/** A custom tool is a function of one text. */
export function offeredTool(tool: ToolField): AnswerRequest['tools'][number] {
  if (!('custom' in tool)) return tool;
  const { name, description, format } = tool.custom;
  const grammar = format?.type === 'grammar' ? format.grammar : undefined;
  return {
    type: 'function',
    function: { name, description: freeformDescription([description], grammar), parameters: FREEFORM },
  };
}

/** Names of the custom ones; undefined where there is none, as is usual. */
export function customNames(tools: readonly ToolField[] | undefined): ReadonlySet<string> | undefined {
  const names = tools?.flatMap((tool) => ('custom' in tool ? [tool.custom.name] : []));
  return names === undefined || names.length === 0 ? undefined : new Set(names);
}

export function choiceOf(choice: z.infer<typeof ToolChoiceField> | undefined): AnswerRequest['toolChoice'] {
  if (choice === undefined || typeof choice === 'string') return choice;
  if (!('allowed_tools' in choice)) return chosen(choice);
  const { mode, tools } = choice.allowed_tools;
  return { mode, allowed: tools.map(chosen) };
}

type Chosen = Exclude<z.infer<typeof Allowed>['tools'][number], never> | { readonly type: string };

function chosen(tool: Chosen): ToolName {
  if ('function' in tool) return { type: 'function', function: tool.function as { readonly name: string } };
  return 'custom' in tool
    ? { type: 'function', function: tool.custom as { readonly name: string } }
    : { type: tool.type };
}
