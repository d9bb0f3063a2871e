/**
 * Items that are only referred to. The id of an item says which answer it is part of and where in it, so that an
 * answer is all that has to be kept for a client to send back references instead of the items themselves.
 */
import { GyreError, quoted } from '../../core/errors.js';
import { textOf, type AssistantMessage } from '../../core/message.js';
import type { Past, Refers } from '../protocol/past.js';
import type { Item } from './item_fields.js';

/** A message, reasoning, a call of a function, of a custom tool, of our own tool, a picture. */
type Kind = 'msg' | 'rs' | 'fc' | 'ctc' | 'mcp' | 'ig';
/** Its type may be left out, or null. */
interface Reference {
  readonly type?: 'item_reference' | null | undefined;
  readonly id: string;
}
export type ResolvedItem = Exclude<Item, Reference>;

const PREFIX = 'resp_';
/** Ids of earlier versions have hyphens. */
const FORM = /^(msg|rs|fc|ctc|mcp|ig)([-_])([0-9a-z]+)\2(\d{1,9})$/;
/** A response's id, of whichever version. */
export const RESPONSE_ID = /^resp[-_]/;

/**
 * `place`: where a message begins in the text of its answer, which call of the client's it is, or any number of its
 * own.
 */
export function itemId(kind: Kind, responseId: string, place: number): string {
  return `${kind}_${responseId.slice(PREFIX.length)}_${place}`;
}

/** Of a compaction there is one in an answer; it is not referred to. */
export function compactionId(responseId: string): string {
  return `cmp_${responseId.slice(PREFIX.length)}`;
}

/** The items, with what they refer to in its place. Throws 404 for an item that this caller was never given. */
export function resolved(items: readonly Item[], past: Past): readonly ResolvedItem[] {
  const answers = new Map<string, AssistantMessage | undefined>();
  /** Where messages begin, by answer: one ends where the next begins. */
  const begins = new Map<string, number[]>();
  for (const item of items) {
    if (!isReference(item)) continue;
    const { kind, answer, place } = placeOf(item);
    if (!answers.has(answer)) answers.set(answer, past.answer(answer));
    if (kind === 'msg') begins.set(answer, [...(begins.get(answer) ?? []), place]);
  }
  /** Answers whose reasoning stands there: the first item of it is all of it, as the log has it. */
  const reasoned = new Set<string>();
  return items.flatMap((item) => {
    if (!isReference(item)) return [item];
    const { kind, answer, place } = placeOf(item);
    const given = answers.get(answer);
    if (given === undefined) throw unknown(item);
    if (kind === 'rs') {
      const text = reasoned.has(answer) ? undefined : given.reasoning;
      reasoned.add(answer);
      return text === undefined ? [] : [{ type: 'reasoning', content: [{ text }] }];
    }
    return part(given, kind, place, begins.get(answer) ?? []) ?? [];
  });
}

function part(
  answer: AssistantMessage,
  kind: Kind,
  place: number,
  begins: readonly number[],
): ResolvedItem | undefined {
  if (kind === 'msg') {
    const text = textOf(answer.content);
    return {
      role: 'assistant',
      content: text.slice(place, Math.min(text.length, ...begins.filter((begin) => begin > place))),
    };
  }
  const call = kind === 'fc' || kind === 'ctc' ? answer.tool_calls?.[place] : undefined;
  if (call !== undefined)
    return { type: 'function_call', call_id: call.id, name: call.function.name, arguments: call.function.arguments };
  // Calls of our own tools are in the log, which puts them back; a picture is shown to no model again.
  return undefined;
}

function placeOf(item: Reference): { readonly kind: Kind; readonly answer: string; readonly place: number } {
  const [, kind, mark, answer, place] = FORM.exec(item.id) ?? [];
  if (kind === undefined || mark === undefined || answer === undefined) throw unknown(item);
  return { kind: kind as Kind, answer: `resp${mark}${answer}`, place: Number(place) };
}

/** What a request refers to, before it is checked. */
export function refersOf(raw: unknown): Refers | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { previous_response_id: previous, input } = raw as {
    readonly previous_response_id?: unknown;
    readonly input?: unknown;
  };
  const answers = (Array.isArray(input) ? input : []).flatMap((item: unknown) => {
    if (!isReference(item)) return [];
    const [, , mark, answer] = FORM.exec(item.id) ?? [];
    return mark === undefined || answer === undefined ? [] : [`resp${mark}${answer}`];
  });
  const conversation = typeof previous === 'string' ? previous : undefined;
  return conversation === undefined && answers.length === 0 ? undefined : { conversation, answers };
}

/** Takes an item before it is checked as well. */
function isReference(item: unknown): item is Reference {
  if (typeof item !== 'object' || item === null) return false;
  const { type = null, role, id } = item as { readonly type?: unknown; readonly role?: unknown; readonly id?: unknown };
  return type === 'item_reference' || (type === null && role === undefined && typeof id === 'string');
}

function unknown({ id }: Reference): GyreError {
  return new GyreError({
    side: 'client',
    status: 404,
    code: 'item_not_found',
    param: 'input',
    message: `There is no item ${quoted(id)} that this key may refer to: send the item itself.`,
  });
}
