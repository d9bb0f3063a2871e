/**
 * Tool calls put together from deltas. Engines disagree on how a delta says which call it belongs
 * to: the index may be missing, shared by two calls, or begin at 1. A call is known by its id, then
 * by the index it began with, then by being the last one.
 */
import { newId } from '../../core/ids.js';
import type { ToolCall } from '../../core/message.js';
import type { PolicyEvent } from '../../core/policy.js';

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
  /** Whether the `call` event went out: it waits for the name, because the name decides who owns the call. */
  shown: boolean;
}

export class Calls {
  readonly #choice: number;
  readonly #calls: Growing[] = [];

  constructor(choice: number) {
    this.#choice = choice;
  }

  get count(): number {
    return this.#calls.length;
  }

  push(deltas: readonly CallDelta[], out: PolicyEvent[]): void {
    deltas.forEach((delta, place) => {
      const name = typeof delta.function?.name === 'string' ? delta.function.name : '';
      const id = typeof delta.id === 'string' ? delta.id : '';
      const index = typeof delta.index === 'number' ? delta.index : undefined;
      const call = this.#find(id, name, index, deltas.length > 1 ? place : undefined) ?? this.#begin(index);
      if (id !== '' && call.engineId === '') {
        call.engineId = id;
        if (!call.shown) call.id = id;
      }
      if (call.name === '') call.name = name;
      this.#grow(call, argumentsText(delta.function?.arguments), out);
    });
  }

  whole(): ToolCall[] {
    return this.#calls.map((call) => ({ id: call.id, name: call.name, arguments: call.arguments }));
  }

  #find(id: string, name: string, index: number | undefined, place: number | undefined): Growing | undefined {
    if (id !== '') {
      const known = this.#calls.find((call) => call.engineId === id);
      if (known !== undefined) return known;
      // An id that comes after its call began belongs to the nameless, idless call of that index.
      return name === '' ? this.#lastWhere((call) => call.engineId === '' && call.index === index) : undefined;
    }
    const sameIndex = index === undefined ? undefined : this.#lastWhere((call) => call.index === index);
    if (name === '') {
      if (index !== undefined) return sameIndex;
      return (place === undefined ? undefined : this.#calls[place]) ?? this.#calls.at(-1);
    }
    // A name without an id begins a call, unless the engine repeats the name on every piece of one.
    const candidate = sameIndex ?? (index === undefined ? this.#calls.at(-1) : undefined);
    const repeats =
      candidate !== undefined && (candidate.name === '' || (candidate.name === name && !isWhole(candidate.arguments)));
    return repeats ? candidate : undefined;
  }

  #lastWhere(matches: (call: Growing) => boolean): Growing | undefined {
    return this.#calls.findLast(matches);
  }

  #begin(index: number | undefined): Growing {
    const call: Growing = { engineId: '', id: '', name: '', arguments: '', index, shown: false };
    this.#calls.push(call);
    return call;
  }

  #grow(call: Growing, text: string, out: PolicyEvent[]): void {
    call.arguments += text;
    if (call.name === '') return;
    const position = this.#calls.indexOf(call);
    if (call.shown) {
      if (text !== '') out.push({ type: 'arguments', index: this.#choice, position, text });
      return;
    }
    if (call.id === '') call.id = newId('call');
    call.shown = true;
    out.push({ type: 'call', index: this.#choice, position, id: call.id, name: call.name });
    if (call.arguments !== '') out.push({ type: 'arguments', index: this.#choice, position, text: call.arguments });
  }
}

function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
