/** What a response was an answer to, as items: the conversation its client has, without the request's instructions. */
import { badRequest, quoted } from '../../core/errors.js';
import { type Content, type Message, textOf } from '../../core/message.js';
import type { LoggedResponse } from '../../core/reading.js';
import { writeJson } from '../../core/text/json.js';
import { FreeformInput } from '../protocol/freeform.js';
import { fieldsOf, instructed } from './replay.js';
import { type Toolset, toolsetOf } from './tools.js';

type Item = Readonly<Record<string, unknown>> & { readonly id: string };

interface ItemList {
  readonly object: 'list';
  readonly data: readonly Item[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

const MAX_ITEMS = 100;
const DEFAULT_ITEMS = 20;
/** Characters of a page, before its last item. */
const PAGE_CHARS = 4 * 1024 * 1024;

/**
 * A page of them, newest first unless `order` is `asc`; where they are large it ends before it is full. Throws
 * 400 on `limit`, `order` and `after`.
 */
export function inputItems(
  logged: LoggedResponse,
  query: Readonly<Record<string, string>>,
  chars = PAGE_CHARS,
): ItemList {
  const { limit = String(DEFAULT_ITEMS), order = 'desc', after } = query;
  if (!/^[1-9]\d{0,2}$/.test(limit) || Number(limit) > MAX_ITEMS)
    throw badRequest(`"limit" must be a whole number from 1 to ${MAX_ITEMS}, not ${quoted(limit)}.`, 'limit');
  if (order !== 'asc' && order !== 'desc')
    throw badRequest(`"order" must be "asc" or "desc", not ${quoted(order)}.`, 'order');
  const { id, said, asked } = logged;
  const messages = instructed(asked) && said[0]?.role === 'system' ? said.slice(1) : said;
  const tools = toolsetOf(fieldsOf(logged));
  const custom = customCalls(messages, tools);
  const all = messages
    .flatMap((message) => itemsOf(message, tools, custom))
    .map((item, at) => ({ ...item, id: `${item.prefix}_${id.slice(5)}_in${at}` }));
  const items = all.map(({ prefix: _, ...item }): Item => item);
  if (order === 'desc') items.reverse();
  const begin = after === undefined ? 0 : items.findIndex((item) => item.id === after) + 1;
  if (after !== undefined && begin === 0)
    throw badRequest(`"after" must be an id of this list, not ${quoted(after)}.`, 'after');
  const data: Item[] = [];
  let length = 0;
  for (const item of items.slice(begin, begin + Number(limit))) {
    if (length >= chars) break;
    data.push(item);
    length += writeJson(item).length;
  }
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: begin + data.length < items.length,
  };
}

type Unnamed = Readonly<Record<string, unknown>> & { readonly prefix: string };

/** Ids of calls of custom tools: their results have a type of their own. */
function customCalls(messages: readonly Message[], { client }: Toolset): ReadonlySet<string> {
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []));
  return new Set(calls.flatMap(({ id, function: { name } }) => (client.get(name)?.kind === 'custom' ? [id] : [])));
}

function itemsOf(message: Message, { client }: Toolset, custom: ReadonlySet<string>): Unnamed[] {
  const status = 'completed';
  switch (message.role) {
    case 'tool': {
      const { tool_call_id: call_id, content } = message;
      const output = typeof content === 'string' ? content : content.map(inputPart);
      return custom.has(call_id)
        ? [{ prefix: 'ctco', type: 'custom_tool_call_output', status, call_id, output }]
        : [{ prefix: 'fco', type: 'function_call_output', status, call_id, output }];
    }
    case 'assistant': {
      const text = textOf(message.content);
      const calls = (message.tool_calls ?? []).map(({ id: call_id, function: { name: called, arguments: args } }) => {
        const { kind, name, namespace } = client.get(called) ?? { kind: 'function', name: called };
        const common = { status, call_id, ...(namespace === undefined ? {} : { namespace }), name };
        return kind === 'custom'
          ? { prefix: 'ctc', type: 'custom_tool_call', ...common, input: inputOf(args) }
          : { prefix: 'fc', type: 'function_call', ...common, arguments: args };
      });
      const content = [{ type: 'output_text', text, annotations: [], logprobs: [] }];
      const said = { prefix: 'msg', type: 'message', status, role: 'assistant', content };
      return text === '' ? calls : [said, ...calls];
    }
    default:
      return [{ prefix: 'msg', type: 'message', status, role: message.role, content: partsOf(message.content) }];
  }
}

/** The text a custom tool was called with. */
function inputOf(args: string): string {
  const input = new FreeformInput();
  return input.whole(input.add(args));
}

function partsOf(content: Content): unknown[] {
  return typeof content === 'string' ? [{ type: 'input_text', text: content }] : content.map(inputPart);
}

/** A part as the protocol writes it; the log has those of Chat Completions. */
function inputPart(part: Exclude<Content, string>[number]): unknown {
  if (part.type === 'text') return { type: 'input_text', text: part.text ?? '' };
  if (part.type === 'image_url') {
    const { url, detail = 'auto' } = part['image_url'] as { readonly url?: string; readonly detail?: string };
    return { type: 'input_image', image_url: url ?? null, file_id: null, detail };
  }
  if (part.type === 'file') return { type: 'input_file', ...(part['file'] as object) };
  return part;
}
