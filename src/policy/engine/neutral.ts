/**
 * Text from outside stays text: the control tokens of the engine's model are broken in whatever a prompt is rendered
 * from. The log keeps every word as it was said; the engine's own token ids are what was rendered.
 */
import { objectJson } from '../../core/text/arguments.js';
import type { Neutraliser } from '../../core/text/control.js';
import { parseJson, writeJson } from '../../core/text/json.js';
import { normaliseArguments } from '../../core/text/spelling.js';
import type { Content, ContentPart, Message, WireToolCall } from '../../core/message.js';
import type { FunctionSpec } from '../../core/policy.js';

/** Fields of a request that a template is given besides messages and tools. */
const RENDERED = ['documents', 'chat_template_kwargs'];

interface Rendered {
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly forwarded?: Readonly<Record<string, unknown>> | undefined;
}

/** Whether a prompt's JSON may hide a control token that it does not show. */
export function mayHide(messages: readonly Message[]): boolean {
  return messages.some(
    (message) =>
      // A template puts parts together, and JSON of arguments is decoded before it is rendered.
      (typeof message.content === 'object' && message.content !== null) ||
      (message.role === 'assistant' &&
        message.tool_calls?.some((call) => call.function.arguments.includes('\\u')) === true),
  );
}

/** The same prompt without a control token in it. */
export function neutral<R extends Rendered>(request: R, neutraliser: Neutraliser): R {
  const { brought, said } = neutraliser;
  return {
    ...request,
    messages: request.messages.map((message) => neutralMessage(message, neutraliser)),
    // A tool's server writes its definition; what it says of itself is an instruction.
    tools: request.tools.map((tool) => everyText(tool, said) as FunctionSpec),
    ...(request.forwarded === undefined
      ? {}
      : {
          forwarded: Object.fromEntries(
            Object.entries(request.forwarded).map(([name, value]) => [
              name,
              RENDERED.includes(name) ? everyText(value, brought) : value,
            ]),
          ),
        }),
  };
}

function neutralMessage(message: Message, { brought, said }: Neutraliser): Message {
  switch (message.role) {
    case 'system':
    case 'developer':
      return { ...message, content: neutralContent(message.content, said), ...named(message.name, said) };
    case 'user':
      return { ...message, content: neutralContent(message.content, brought), ...named(message.name, brought) };
    case 'tool':
      return {
        ...message,
        tool_call_id: said(message.tool_call_id),
        content: neutralContent(message.content, brought),
      };
    case 'assistant':
      return {
        ...message,
        content: message.content === null ? null : neutralContent(message.content, said),
        ...(message.reasoning === undefined ? {} : { reasoning: said(message.reasoning) }),
        ...(message.tool_calls === undefined
          ? {}
          : { tool_calls: message.tool_calls.map((call) => neutralCall(call, said)) }),
      };
    default:
      return message satisfies never;
  }
}

function named(name: string | undefined, text: (text: string) => string): { readonly name?: string } {
  return name === undefined ? {} : { name: text(name) };
}

/** Where a token only shows when a template puts the parts together, trimmed or not, they become one part. */
function neutralContent(content: Content, text: (text: string) => string): Content {
  if (typeof content === 'string') return text(content);
  const parts = content.map((part) => (part.text === undefined ? part : { ...part, text: text(part.text) }));
  for (const trim of [(part: string) => part, (part: string) => part.trim()]) {
    const whole = parts.map((part) => trim(part.text ?? '')).join('');
    const broken = text(whole);
    if (broken !== whole)
      return [{ type: 'text', text: broken }, ...parts.filter((part: ContentPart) => part.text === undefined)];
  }
  return parts;
}

function neutralCall(call: WireToolCall, text: (text: string) => string): WireToolCall {
  return {
    id: text(call.id),
    type: 'function',
    function: { name: text(call.function.name), arguments: neutralArguments(call.function.arguments, text) },
  };
}

/** Arguments are compared decoded; they stay word for word where nothing is found. */
function neutralArguments(json: string, text: (text: string) => string): string {
  let found = false;
  const value = everyText(parseJson(objectJson(json)), (inner) => {
    const broken = text(inner);
    found ||= broken !== inner;
    return broken;
  });
  return found ? normaliseArguments(writeJson(value)) : text(json);
}

/** Every text of a JSON value, the names of its fields included. */
function everyText(value: unknown, text: (text: string) => string): unknown {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((item) => everyText(item, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [text(name), everyText(inner, text)]));
}
