/** The texts of custom tools that are being called in a stream, of all its choices. */
import type { PolicyEvent } from '../../core/policy.js';
import { FreeformInput } from '../protocol/freeform.js';

interface Told {
  readonly index: number;
  readonly position: number;
  readonly input: FreeformInput;
  text: string;
}

export class CustomTexts {
  readonly #told = new Map<string, Told>();

  begin({ index, position }: Extract<PolicyEvent, { readonly type: 'call' }>): void {
    this.#told.set(`${index} ${position}`, { index, position, input: new FreeformInput(), text: '' });
  }

  /** What a piece of arguments adds to the text; undefined where the call is none of a custom tool. */
  add({ index, position, text }: Extract<PolicyEvent, { readonly type: 'arguments' }>): string | undefined {
    const told = this.#told.get(`${index} ${position}`);
    if (told === undefined) return undefined;
    const more = told.input.add(text);
    told.text += more;
    return more;
  }

  /** What is still to be told of each: all of it, where the arguments are of another form. */
  *end(): Generator<{ readonly index: number; readonly position: number; readonly rest: string }> {
    for (const { index, position, input, text } of this.#told.values())
      if (text === '') yield { index, position, rest: input.whole('') };
  }
}
