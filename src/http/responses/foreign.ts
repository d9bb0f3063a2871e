/**
 * Items that tools of other hosts left in a conversation which goes on here: their words are kept, and what has none is
 * dropped. A call that the client ran is a call with its result, as that of a function would be.
 */
import type { ContentPart } from '../../core/message.js';
import { writeJson } from '../../core/text/json.js';
import { wordsIn } from '../protocol/foreign_words.js';
import type { ForeignItem } from './item_fields.js';

/** The call an item is, or the result of one; undefined where nothing pairs it. */
export interface ForeignPair {
  readonly id: string;
  /** Present for the call itself. */
  readonly call?: { readonly name: string; readonly arguments: string } | undefined;
}

const CALL = /_call$/;
const OUTPUT = /_output$/;

/** Ids of calls that are there with their result. */
export function pairsOf(items: readonly { readonly type?: string | null | undefined }[]): ReadonlySet<string> {
  const of = (form: RegExp): Set<string> =>
    new Set(items.flatMap((item) => (form.test(item.type ?? '') ? [idOf(item as ForeignItem)] : [])));
  const results = of(OUTPUT);
  return new Set([...of(CALL)].filter((id) => id !== '' && results.has(id)));
}

export function pairOf(item: ForeignItem, pairs: ReadonlySet<string>): ForeignPair | undefined {
  const id = idOf(item);
  if (!pairs.has(id)) return undefined;
  if (OUTPUT.test(item.type)) return { id };
  const { action, operation, arguments: args } = item;
  const given = action ?? operation ?? args ?? {};
  return {
    id,
    call: {
      name: item.type.replace(CALL, ''),
      arguments: typeof given === 'string' ? given : writeJson(given),
    },
  };
}

/** What the client's own run of a tool gave: its words, or the picture it took. */
export function resultOf(item: ForeignItem): string | readonly ContentPart[] {
  const output = item['output'];
  const url = typeof output === 'object' && output !== null && 'image_url' in output ? output.image_url : undefined;
  if (typeof url === 'string') return [{ type: 'image_url', image_url: { url } }];
  const words = wordsIn(output).join('\n');
  return words === '' && typeof item['status'] === 'string' ? item['status'] : words;
}

/** The words an item carries besides what its call was; empty where there are none. */
export function wordsOf(item: ForeignItem): string {
  if (item.type.startsWith('image')) return '';
  const { results, outputs, output, result, error } = item;
  const words = wordsIn([results, outputs, output, result, item.type === 'mcp_call' ? error : undefined]).join('\n');
  return words === '' ? '' : `[${item.type.replace(CALL, '')}] ${words}`;
}

/** Some shells name the call they answer in `id`. */
function idOf({ call_id: callId, id }: ForeignItem): string {
  return typeof callId === 'string' ? callId : typeof id === 'string' ? id : '';
}
