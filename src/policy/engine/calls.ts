/**
 * Tool calls put together from deltas. Engines disagree on how a delta says which call it belongs to: the index may be
 * missing, shared by two calls, or begin at 1; the id may be missing, new with every piece, or that of another call. A
 * call is known by its index, then by its id, then by being the last one.
 */
import { newId } from '../../core/ids.js';
import type { ToolCall } from '../../core/message.js';
import type { PolicyEvent } from '../../core/policy.js';
import { writeJson } from '../../core/text/json.js';
import { addCallFields, type OwnFields } from './own_fields.js';

/** A delta as engines write it; nothing about it is certain. */
export interface CallDelta {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown } | null | undefined;
}

interface Growing {
  /** The engine's own id, or '' while it gave none. */
  engineId: string;
  id: string;
  name: string;
  arguments: string;
  readonly index: number | undefined;
  /** Whether the `call` event went out: it waits for the whole name, because the name decides who owns the call. */
  shown: boolean;
  own: OwnFields | undefined;
}

export class Calls {
  readonly #choice: number;
  /** Whether fields beside the function are kept. */
  readonly #keepsOwn: boolean;
  readonly #calls: Growing[] = [];
  #bytes = 0;

  constructor(choice: number, keepsOwn: boolean) {
    this.#choice = choice;
    this.#keepsOwn = keepsOwn;
  }

  /** What all calls have come to, in UTF-16 units. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#calls.length;
  }

  push(deltas: readonly CallDelta[], out: PolicyEvent[]): void {
    deltas.forEach((delta: CallDelta | null, place) => {
      if (typeof delta !== 'object' || delta === null) return;
      const name = typeof delta.function?.name === 'string' ? delta.function.name : '';
      const id = typeof delta.id === 'string' ? delta.id : '';
      const index = typeof delta.index === 'number' ? delta.index : undefined;
      const call = this.#find(id, name, index, deltas.length > 1 ? place : undefined) ?? this.#begin(index, out);
      if (id !== '' && call.engineId === '') {
        call.engineId = id;
        if (!call.shown) call.id = id;
      }
      // A name comes whole, again with every piece, in pieces, or longer with every piece.
      if (!call.shown && name !== call.name) call.name = name.startsWith(call.name) ? name : call.name + name;
      this.#bytes += name.length;
      if (this.#keepsOwn) this.#bytes += addCallFields((call.own ??= {}), delta);
      this.#grow(call, argumentsText(delta.function?.arguments), out);
    });
  }

  /** No more deltas will come: a call without arguments has an empty object of them. */
  end(out: PolicyEvent[]): void {
    for (const call of this.#calls) {
      if (call.name === '') continue;
      if (!call.shown) this.#show(call, out);
      if (call.arguments.trim() === '') this.#grow(call, '{}', out);
    }
  }

  whole(): ToolCall[] {
    return this.#calls.map((call) => ({ id: call.id, name: call.name, arguments: call.arguments }));
  }

  /** The fields each call has beside its function, by id; undefined where none has any. */
  own(): Record<string, OwnFields> | undefined {
    const found = this.#calls.flatMap(({ id, own }): [string, OwnFields][] =>
      own === undefined || Object.keys(own).length === 0 ? [] : [[id, own]],
    );
    return found.length === 0 ? undefined : Object.fromEntries(found);
  }

  #find(id: string, name: string, index: number | undefined, place: number | undefined): Growing | undefined {
    if (index === undefined) return id === '' ? this.#unmarked(name, place) : this.#byId(id, name);
    const here = this.#calls.filter((call) => call.index === index);
    const last = here.at(-1);
    if (last === undefined) {
      const known = this.#calls.findLast((call) => id !== '' && call.engineId === id);
      // A name at an index of its own begins a call, whatever its id; without one the index was wrong.
      if (known !== undefined && (name === '' || known.index === undefined)) return known;
      return id === '' && name === '' && this.#calls.at(-1)?.index === undefined ? this.#calls.at(-1) : undefined;
    }
    if (name === '') return here.find((call) => id !== '' && call.engineId === id) ?? last;
    if (id === '' || last.engineId === '') return repeats(last, name) ? last : undefined;
    return here.find((call) => call.engineId === id);
  }

  #byId(id: string, name: string): Growing | undefined {
    const known = this.#calls.find((call) => call.engineId === id);
    if (known !== undefined || name !== '') return known;
    // An id that comes after its call began belongs to the last call without one; a new one with every piece says
    // nothing.
    return this.#calls.findLast((call) => call.engineId === '' && call.index === undefined) ?? this.#calls.at(-1);
  }

  #unmarked(name: string, place: number | undefined): Growing | undefined {
    const last = this.#calls.at(-1);
    if (name === '') return (place === undefined ? undefined : this.#calls[place]) ?? last;
    // A name without an id begins a call, unless the engine repeats the name on every piece of one.
    const same = last !== undefined && (last.name === '' || last.name === name) && repeats(last, name);
    return same ? last : undefined;
  }

  #begin(index: number | undefined, out: PolicyEvent[]): Growing {
    for (const call of this.#calls) if (!call.shown && call.name !== '') this.#show(call, out);
    const call: Growing = { engineId: '', id: '', name: '', arguments: '', index, shown: false, own: undefined };
    this.#calls.push(call);
    return call;
  }

  #grow(call: Growing, text: string, out: PolicyEvent[]): void {
    call.arguments += text;
    this.#bytes += text.length;
    if (text === '' || call.name === '') return;
    if (call.shown) out.push({ type: 'arguments', index: this.#choice, position: this.#calls.indexOf(call), text });
    else this.#show(call, out);
  }

  /** The name is whole: arguments have begun, or another call has. */
  #show(call: Growing, out: PolicyEvent[]): void {
    // Two calls of one id could not be told apart by their results.
    if (call.id === '' || this.#calls.some((other) => other.shown && other.id === call.id)) call.id = newId('call');
    call.shown = true;
    const position = this.#calls.indexOf(call);
    out.push({
      type: 'call',
      index: this.#choice,
      position,
      id: call.id,
      name: call.name,
      ...(call.own === undefined || Object.keys(call.own).length === 0 ? {} : { own: call.own }),
    });
    if (call.arguments !== '') out.push({ type: 'arguments', index: this.#choice, position, text: call.arguments });
  }
}

/** Whether a piece with a name goes on with a call of the same index, or of none. */
function repeats(call: Growing, name: string): boolean {
  if (call.name === '') return true;
  if (call.name === name) return !isWhole(call.arguments);
  return !call.shown && call.arguments === '';
}

function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : writeJson(value);
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
