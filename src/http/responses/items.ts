/** Items of the Responses API to messages. Consecutive items of the policy are one turn. */
import {
  assistantMessage,
  textOf,
  type AssistantMessage,
  type Content as MessageContent,
  type ContentPart,
  type Message,
  type ToolCall,
} from '../../core/message.js';
import { described } from '../../core/media.js';
import type { Past } from '../protocol/past.js';
import { unpackSummary } from './compaction.js';
import { pairOf, pairsOf, resultOf, wordsOf } from './foreign.js';
import type { Content, ForeignItem, Item } from './item_fields.js';
import { resolved, type ResolvedItem } from './references.js';
import { policyName, SERVER_LABEL } from './tools.js';

type Part = Exclude<Content, string>[number];
type MessageItem = Extract<Item, { readonly content: Content }>;
type Of<T extends string> = Extract<Item, { readonly type: T }>;

/** Throws 404 for a reference to an item that this caller was never given. */
export function messagesOf(items: readonly Item[], past: Past): Message[] {
  const all = resolved(items, past);
  const pairs = pairsOf(all);
  const turns = new Turns();
  for (const item of all) addTo(turns, item, pairs);
  return turns.messages;
}

function addTo(turns: Turns, item: ResolvedItem, pairs: ReadonlySet<string>): void {
  switch (item.type) {
    case undefined:
    case null:
    case 'message': {
      const { role, content } = item as MessageItem;
      if (role === 'assistant') turns.say(saidOf(contentOf(content)));
      else turns.add({ role, content: contentOf(content) });
      return;
    }
    case 'function_call': {
      const call = item as Of<'function_call'>;
      return turns.call({
        id: call.call_id,
        name: policyName(call.name, call.namespace),
        arguments: call.arguments,
      });
    }
    case 'custom_tool_call': {
      const call = item as Of<'custom_tool_call'>;
      return turns.call({
        id: call.call_id,
        name: policyName(call.name, call.namespace),
        arguments: JSON.stringify({ input: call.input }),
      });
    }
    case 'function_call_output':
    case 'custom_tool_call_output': {
      const { call_id: id, output } = item as Of<'function_call_output'>;
      return turns.add({ role: 'tool', tool_call_id: id, content: contentOf(output) });
    }
    case 'reasoning': {
      const { content } = item as Of<'reasoning'>;
      return turns.reason((content ?? []).map(({ text }) => text ?? '').join(''));
    }
    case 'compaction':
      return turns.add({ role: 'user', content: unpackSummary((item as Of<'compaction'>).encrypted_content) });
    case 'additional_tools':
      return;
    case 'mcp_call':
      // Calls of our own tools are in the log, which puts them back.
      if ((item as Of<'mcp_call'>).server_label === SERVER_LABEL) return;
      return addForeign(turns, item, pairs);
    default:
      return addForeign(turns, item as ForeignItem, pairs);
  }
}

function addForeign(turns: Turns, item: ForeignItem, pairs: ReadonlySet<string>): void {
  const pair = pairOf(item, pairs);
  if (pair?.call !== undefined) return turns.call({ id: pair.id, ...pair.call });
  if (pair !== undefined) return turns.add({ role: 'tool', tool_call_id: pair.id, content: resultOf(item) });
  const words = wordsOf(item);
  if (words === '') return;
  if (item.type.endsWith('_output')) turns.add({ role: 'user', content: words });
  else turns.say(`${words}\n`);
}

/** The turns so far; the policy's last is open until another takes its turn. */
class Turns {
  readonly messages: Message[] = [];
  /** Reasoning that its turn has yet to come for. */
  #reasoning = '';

  add(message: Message): void {
    this.messages.push(message);
    this.#reasoning = '';
  }

  reason(text: string): void {
    this.#reasoning += text;
  }

  say(text: string): void {
    this.#extend(text, []);
  }

  call(call: ToolCall): void {
    this.#extend('', [call]);
  }

  #extend(text: string, calls: readonly ToolCall[]): void {
    const last = this.messages.at(-1);
    const open: AssistantMessage | undefined = last?.role === 'assistant' ? last : undefined;
    if (open !== undefined) this.messages.pop();
    const before = (open?.tool_calls ?? []).map(({ id, function: { name, arguments: args } }) => ({
      id,
      name,
      arguments: args,
    }));
    const turn = assistantMessage(textOf(open?.content ?? '') + text, [...before, ...calls]);
    const reasoning = (open?.reasoning ?? '') + this.#reasoning;
    this.#reasoning = '';
    this.messages.push(reasoning === '' ? turn : { ...turn, reasoning });
  }
}

/** No template takes more than words from the policy: of what else is there, it is said what it was. */
function saidOf(content: MessageContent): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? (part.text ?? '') : `[${described(part)}]`)).join('');
}

/** Text where there is nothing else, as most clients send it. */
function contentOf(content: Content): MessageContent {
  if (typeof content === 'string') return content;
  const parts = content.map(partOf);
  return parts.every(({ type }) => type === 'text') ? textOf(parts) : parts;
}

/** A part as Chat Completions writes it. */
function partOf(part: Part): ContentPart {
  switch (part.type) {
    case 'refusal':
      return { type: 'text', text: part.refusal };
    case 'input_image':
    case 'computer_screenshot':
      return part.image_url
        ? { type: 'image_url', image_url: { url: part.image_url, ...given({ detail: part.detail }) } }
        : { type: 'file', file: given({ file_id: part.file_id }) };
    case 'input_file':
      return {
        type: 'file',
        file: given({
          file_data: part.file_data ?? part.file_url,
          file_id: part.file_id,
          filename: part.filename,
        }),
      };
    case 'input_audio':
      return {
        type: 'input_audio',
        input_audio: { data: part.input_audio.data, format: part.input_audio.format },
      };
    default:
      return { type: 'text', text: part.text };
  }
}

function given(fields: Readonly<Record<string, string | null | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
