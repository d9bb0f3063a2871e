/** Tools of the Responses API as they come, and the choice among them. What an SDK adds to a tool is let pass. */
import { z } from 'zod';

import { toolName } from '../protocol/fields.js';
import { mayBeHosted } from '../protocol/hosted.js';

const text = z.string();

const name = toolName(128);

const FunctionTool = z.looseObject({
  type: z.literal('function'),
  name,
  description: text.nullish(),
  parameters: z.record(text, z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});
const CustomTool = z.looseObject({
  type: z.literal('custom'),
  name,
  description: text.nullish(),
  format: z
    .discriminatedUnion('type', [
      z.looseObject({ type: z.literal('text') }),
      z.looseObject({ type: z.literal('grammar'), syntax: text, definition: text }),
    ])
    .nullish(),
});
const KNOWN = ['function', 'custom', 'namespace', 'allowed_tools'];
const OTHERS = 'must be "function", "custom", "namespace", "gyre:" and the name of a server tool, or a hosted type';
const WITHIN = 'must be a tool of the type "function" or "custom", or a hosted type';

// Both end the check of their object, so that a slip in a function is told as what it is.
const serverTool = text.regex(/^gyre:/, { error: OTHERS, abort: true });
const hostedTool = text.refine((type) => mayBeHosted(type, KNOWN), { error: OTHERS, abort: true });

const NamespaceTool = z.looseObject({
  type: z.literal('namespace'),
  name,
  description: text.nullish(),
  tools: z.array(
    z.union([
      z.discriminatedUnion('type', [FunctionTool, CustomTool], WITHIN),
      z.looseObject({ type: text.refine((type) => mayBeHosted(type, KNOWN), { error: WITHIN, abort: true }) }),
    ]),
  ),
});

export const ToolField = z.union([
  z.discriminatedUnion('type', [FunctionTool, CustomTool, NamespaceTool], OTHERS),
  z.looseObject({ type: serverTool }),
  z.looseObject({ type: hostedTool }),
]);
export type ToolField = z.infer<typeof ToolField>;
export type NamedTool = z.infer<typeof FunctionTool> | z.infer<typeof CustomTool>;

const ChosenTool = z.union([
  z.looseObject({ type: z.enum(['function', 'custom']), name: text, namespace: text.nullish() }),
  z.looseObject({ type: serverTool }),
  z.looseObject({ type: hostedTool }),
]);
export type ChosenTool = z.infer<typeof ChosenTool>;

export const ToolChoiceField = z.union([
  z.enum(['none', 'auto', 'required']),
  z.looseObject({
    type: z.literal('allowed_tools'),
    mode: z.enum(['auto', 'required']),
    tools: z.array(z.union([ChosenTool, z.looseObject({ type: z.literal('namespace'), name: text })])),
  }),
  ChosenTool,
]);
export type ToolChoiceField = z.infer<typeof ToolChoiceField>;
