/**
 * The words of a conversation: messages, tool calls and content, in the shape OpenAI's chat
 * protocol gives them, because that shape is what the engine renders and the client resends.
 * No logic beyond bringing a message to its one canonical form.
 */

/** One part of a message whose content is a list. Only text is rendered by the default policy. */
export interface ContentPart {
  readonly type: string;
  readonly text?: string | undefined;
  readonly [field: string]: unknown;
}

/** The kind of part that stands in the log for a prompt which is no message: its text, or `token_ids`. */
export const RAW_PROMPT = 'raw_prompt';

/** A function call the policy asked for. `arguments` is the JSON text exactly as it was emitted. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** A call in its wire shape. */
export interface WireToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

export type Content = string | readonly ContentPart[];

export interface SystemMessage {
  readonly role: 'system' | 'developer';
  readonly content: Content;
  readonly name?: string | undefined;
}
export interface UserMessage {
  readonly role: 'user';
  readonly content: Content;
  readonly name?: string | undefined;
}
export interface AssistantMessage {
  readonly role: 'assistant';
  readonly content: Content | null;
  readonly tool_calls?: readonly WireToolCall[] | undefined;
  readonly reasoning?: string | undefined;
}
export interface ToolMessage {
  readonly role: 'tool';
  readonly tool_call_id: string;
  readonly content: Content;
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

export function toWire(call: ToolCall): WireToolCall {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } };
}

/** The assistant message that says `text` and makes `calls`; content is null only when calls stand alone. */
export function assistantMessage(text: string, calls: readonly ToolCall[]): AssistantMessage {
  if (calls.length === 0) return { role: 'assistant', content: text };
  return { role: 'assistant', content: text === '' ? null : text, tool_calls: calls.map(toWire) };
}

/** The text of a message, parts joined in order; the empty string where there is none. */
export function textOf(content: Content | null): string {
  if (content === null) return '';
  if (typeof content === 'string') return content;
  return content.map((part) => part.text ?? '').join('');
}

/**
 * The canonical form whose bytes are hashed. A client that resends an answer wraps it in fields of
 * its own SDK (`refusal: null`, `annotations: []`, a one-part list for a string): those must not make
 * another message of it, so only what the policy is conditioned on stays.
 */
export function canonicalMessage(message: Message): Record<string, unknown> {
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: canonicalContent(message.content) };
    case 'user':
      return { role: 'user', content: canonicalContent(message.content) };
    case 'assistant': {
      const calls = message.tool_calls ?? [];
      const base = { role: 'assistant', content: canonicalContent(message.content ?? '') };
      if (calls.length === 0) return base;
      return { ...base, tool_calls: calls.map((call) => [call.id, call.function.name, call.function.arguments]) };
    }
    case 'tool':
      return { role: 'tool', tool_call_id: message.tool_call_id, content: canonicalContent(message.content) };
    default:
      return message satisfies never;
  }
}

function canonicalContent(content: Content): unknown {
  if (typeof content === 'string') return content;
  return content.every((part) => part.type === 'text') ? textOf(content) : content;
}
