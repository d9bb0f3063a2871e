/**
 * What a conversation of the Responses API is made of. Fields an SDK adds when it resends an answer are let pass, and
 * so are items of tools that ran elsewhere.
 */
import { z } from 'zod';

import { mayBeHosted } from '../protocol/hosted.js';
import { ToolField } from './tool_fields.js';

const text = z.string();

const TextPart = z.looseObject({
  type: z.enum(['input_text', 'output_text', 'text', 'summary_text', 'reasoning_text']),
  text,
});
const RefusalPart = z.looseObject({ type: z.literal('refusal'), refusal: text });
const ImagePart = z
  .looseObject({
    type: z.enum(['input_image', 'computer_screenshot']),
    image_url: text.nullish(),
    file_id: text.nullish(),
    detail: text.nullish(),
  })
  .refine((part) => part.image_url || part.file_id, 'needs an "image_url" or a "file_id"');
const FilePart = z
  .looseObject({
    type: z.literal('input_file'),
    file_data: text.nullish(),
    file_url: text.nullish(),
    file_id: text.nullish(),
    filename: text.nullish(),
  })
  .refine((part) => part.file_data || part.file_url || part.file_id, 'needs "file_data", a "file_url" or a "file_id"');
const AudioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: text, format: text }),
});

const Part = z.discriminatedUnion(
  'type',
  [TextPart, RefusalPart, ImagePart, FilePart, AudioPart],
  'must be a part of the type "input_text", "output_text", "refusal", "input_image", "input_file" or "input_audio"',
);
const Content = z.union([text, z.array(Part)]);
export type Content = z.infer<typeof Content>;

const MessageItem = z.looseObject({
  type: z.literal('message').nullish(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: Content,
});
const namespace = text.nullish();
const call_id = text.min(1);
const name = text.min(1);

const KNOWN = [
  'message',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'reasoning',
  'mcp_call',
  'item_reference',
  'compaction',
  'additional_tools',
];

export const Item = z.union([
  z.discriminatedUnion(
    'type',
    [
      MessageItem,
      z.looseObject({ type: z.literal('function_call'), call_id, name, namespace, arguments: text }),
      z.looseObject({ type: z.literal('function_call_output'), call_id, output: Content }),
      z.looseObject({ type: z.literal('custom_tool_call'), call_id, name, namespace, input: text }),
      z.looseObject({ type: z.literal('custom_tool_call_output'), call_id, output: Content }),
      z.looseObject({
        type: z.literal('reasoning'),
        content: z.array(z.looseObject({ text: text.nullish() })).nullish(),
      }),
      z.looseObject({ type: z.literal('mcp_call'), server_label: text }),
      z.looseObject({ type: z.literal('item_reference'), id: text.min(1) }),
      z.looseObject({ type: z.literal('compaction'), encrypted_content: text }),
      z.looseObject({ type: z.literal('additional_tools'), tools: z.array(ToolField) }),
    ],
    `must be one of "${KNOWN.join('", "')}", or what a hosted tool left`,
  ),
  // A reference may leave its type out.
  z.looseObject({ type: z.null().optional(), role: z.never().optional(), id: text.min(1) }),
  // Items of tools that ran elsewhere, by whatever name: their words are kept, and the conversation goes on.
  z.looseObject({
    // Ends the check of its object, so that a slip in a known item is told as what it is.
    type: text.refine((type) => mayBeHosted(type, KNOWN), { abort: true }),
    role: z.never().optional(),
  }),
]);
export type Item = z.infer<typeof Item>;
/** An item of a tool that ran elsewhere. */
export type ForeignItem = Readonly<Record<string, unknown>> & { readonly type: string };
