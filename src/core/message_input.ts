/**
 * Messages as clients and task files write them. What an SDK, a proxy or another server added to a message, a part or a
 * call it had received is no field of ours and is dropped; a part of a type that is not known goes on as it is, because
 * to leave it out would change what was said.
 */
import { z } from 'zod';

import {
  type AssistantMessage,
  type Content,
  type ContentPart,
  type Message,
  textOf,
  type WireToolCall,
} from './message.js';

const text = z.string();
const Part = z
  .looseObject({ type: text, text: text.optional() })
  .refine((part) => part.type !== 'text' || part.text !== undefined, {
    message: 'a part of type "text" needs a "text"',
    path: ['text'],
  })
  .refine((part) => part.type !== 'image_url' || urlOf(part['image_url']) !== undefined, {
    message: 'a part of type "image_url" needs an object with a "url"',
    path: ['image_url'],
  });
const Parts = z.array(Part);
const Content = z.union([text, Parts.min(1)]);
const name = text.nullish();

const FunctionCall = z.object({ name: text.min(1), arguments: text });
/** An upstream's own, which it wants back. */
const extra_content = z.unknown().optional();
const OTHER = 'must be "function" or "custom"';
const Call = z.discriminatedUnion(
  'type',
  [
    z.object({ id: text.min(1), type: z.literal('function').nullish(), function: FunctionCall, extra_content }),
    z.object({
      id: text.min(1),
      type: z.literal('custom'),
      custom: z.object({ name: text.min(1), input: text }),
      extra_content,
    }),
  ],
  OTHER,
);

/** Every role OpenAI has; `function`, and the `function_call` it answers, are what tools replaced. */
export const MessageSchema = z.discriminatedUnion('role', [
  z.object({ role: z.literal('system'), content: Content, name }),
  z.object({ role: z.literal('developer'), content: Content, name }),
  z.object({ role: z.literal('user'), content: Content, name }),
  z.object({
    role: z.literal('assistant'),
    content: z.union([text, Parts]).nullish(),
    tool_calls: z.array(Call).nullish(),
    function_call: FunctionCall.nullish(),
    reasoning: text.nullish(),
    reasoning_content: text.nullish(),
    refusal: text.nullish(),
  }),
  z.object({ role: z.literal('tool'), tool_call_id: text.min(1), content: z.union([text, Parts]).nullish() }),
  z.object({ role: z.literal('function'), name: text.min(1), content: z.union([text, Parts]).nullish() }),
]);

export type MessageInput = z.infer<typeof MessageSchema>;
type Role<R extends MessageInput['role']> = Extract<MessageInput, { role: R }>;

/** The conversation a client or a task file means: what an SDK or an engine wrapped it in is left out. */
export function toMessages(inputs: readonly MessageInput[]): Message[] {
  /** Calls that have no answer yet, in order: a message of the role `function` names only what was called. */
  const open: WireToolCall[] = [];
  const answered = (id: string): string => {
    const at = open.findIndex((call) => call.id === id);
    if (at >= 0) open.splice(at, 1);
    return id;
  };
  return inputs.map((input, at) => {
    switch (input.role) {
      case 'assistant': {
        const message = assistant(input, at);
        for (const call of message.tool_calls ?? []) open.push(call);
        return message;
      }
      case 'tool':
        return {
          role: 'tool',
          tool_call_id: answered(input.tool_call_id),
          content: contentOf(input.content ?? ''),
        };
      case 'function': {
        const call = open.findLast(({ function: made }) => made.name === input.name);
        return {
          role: 'tool',
          tool_call_id: answered(call?.id ?? legacyId(at)),
          content: contentOf(input.content ?? ''),
        };
      }
      case 'system':
      case 'developer':
      case 'user':
        return { role: input.role, content: contentOf(input.content), name: input.name ?? undefined };
      default:
        return input satisfies never;
    }
  });
}

function assistant(input: Role<'assistant'>, at: number): AssistantMessage {
  const calls = callsOf(input, at);
  const reasoning = input.reasoning ?? input.reasoning_content ?? '';
  return {
    role: 'assistant',
    content: said(input.content) ?? (calls.length === 0 ? (input.refusal ?? '') : null),
    tool_calls: calls.length === 0 ? undefined : calls,
    reasoning: reasoning === '' ? undefined : reasoning,
  };
}

/** What an assistant's turn says; null where it has only calls. */
function said(content: Role<'assistant'>['content']): Content | null {
  return content === null || content === undefined ? null : contentOf(content);
}

function callsOf({ tool_calls: calls, function_call: legacy }: Role<'assistant'>, at: number): WireToolCall[] {
  const made = (calls ?? []).map((call): WireToolCall => {
    if ('function' in call) return wire(call.id, call.function.name, call.function.arguments);
    // A custom tool is a function of one text.
    const { name, input } = call.custom;
    return wire(call.id, name, JSON.stringify({ input }));
  });
  return legacy === null || legacy === undefined || made.length > 0
    ? made
    : [wire(legacyId(at), legacy.name, legacy.arguments)];
}

const wire = (id: string, name: string, args: string): WireToolCall => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

/** A call without an id gets one by its place, which is the same whenever the conversation is sent again. */
const legacyId = (at: number): string => `function_call_${at}`;

function contentOf(content: string | readonly z.infer<typeof Part>[]): Content {
  if (typeof content === 'string') return content;
  const parts = content.map(partOf);
  return parts.length === 0 ? '' : parts;
}

/** The part with the fields its type has. */
function partOf(part: z.infer<typeof Part>): ContentPart {
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: part.text ?? '' };
    case 'refusal':
      return { type: 'text', text: typeof part['refusal'] === 'string' ? part['refusal'] : textOf([part]) };
    case 'image_url': {
      const { detail } = asObject(part['image_url']);
      return { type: 'image_url', image_url: { url: urlOf(part['image_url']), ...(isText(detail) ? { detail } : {}) } };
    }
    case 'input_audio':
      return { type: 'input_audio', input_audio: only(part['input_audio'], ['data', 'format']) };
    case 'file':
      return { type: 'file', file: only(part['file'], ['file_data', 'file_id', 'filename']) };
    default: {
      const { cache_control: _, ...rest } = part;
      return rest;
    }
  }
}

/** Some clients write the address where the protocol has an object with it. */
function urlOf(image: unknown): string | undefined {
  if (isText(image)) return image;
  const { url } = asObject(image);
  return isText(url) ? url : undefined;
}

function only(value: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(asObject(value)).filter(([field]) => names.includes(field)));
}

const isText = (value: unknown): value is string => typeof value === 'string';

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
