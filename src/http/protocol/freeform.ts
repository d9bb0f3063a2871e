/**
 * Custom tools, which take one text in whatever form: to the policy each is a function with that text as its one
 * argument, and the text is read out of the arguments again, as they come.
 */
import type { AssistantMessage } from '../../core/message.js';

/** What such a function takes. */
export const FREEFORM = {
  type: 'object',
  properties: { input: { type: 'string', description: 'The input of the tool, as it takes it.' } },
  required: ['input'],
  additionalProperties: false,
};

/** No engine is made to follow a grammar: the policy is told. */
export function freeformDescription(
  parts: readonly (string | null | undefined)[],
  grammar?: { readonly syntax: string; readonly definition: string },
): string | undefined {
  const told = grammar && `The input must be of this ${grammar.syntax} grammar:\n${grammar.definition}`;
  const said = [...parts, told].filter((part) => typeof part === 'string' && part !== '');
  return said.length === 0 ? undefined : said.join('\n\n');
}

/** The whole text of a call. */
export function freeformText(args: string): string {
  const text = new FreeformInput();
  return text.whole(text.add(args));
}

/** A turn as its client will send it back: of calls of custom tools it has the text alone. */
export function withFreeform(turn: AssistantMessage, custom: ReadonlySet<string> | undefined): AssistantMessage {
  if (custom === undefined || turn.tool_calls?.some((call) => custom.has(call.function.name)) !== true) return turn;
  return {
    ...turn,
    tool_calls: turn.tool_calls.map((call) => {
      const { name, arguments: args } = call.function;
      if (!custom.has(name)) return call;
      return { ...call, function: { name, arguments: JSON.stringify({ input: freeformText(args) }) } };
    }),
  };
}

const BEGIN = /^\s*\{\s*"input"\s*:\s*"/;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

export class FreeformInput {
  /** The arguments so far. */
  #json = '';
  /** What of them has been read; 0 before the text begins. */
  #at = 0;
  #over = false;

  /** Takes a piece of the arguments; returns what it adds to the text. */
  add(piece: string): string {
    this.#json += piece;
    if (this.#over) return '';
    if (this.#at === 0) {
      this.#at = BEGIN.exec(this.#json)?.[0].length ?? 0;
      if (this.#at === 0) return '';
    }
    let text = '';
    for (;;) {
      const char = this.#json[this.#at];
      if (char === undefined) return text;
      if (char === '"') {
        this.#over = true;
        return text;
      }
      if (char !== '\\') {
        text += char;
        this.#at += 1;
        continue;
      }
      const escape = this.#json[this.#at + 1];
      const length = escape === 'u' ? 6 : 2;
      // An escape that is not whole waits for the rest of it.
      if (escape === undefined || this.#json.length < this.#at + length) return text;
      text +=
        escape === 'u'
          ? String.fromCharCode(Number.parseInt(this.#json.slice(this.#at + 2, this.#at + 6), 16))
          : (ESCAPES[escape] ?? escape);
      this.#at += length;
    }
  }

  /** The whole text; arguments of another form than `{"input": ...}` are it themselves, unless some of it was told. */
  whole(told: string): string {
    try {
      const value: unknown = JSON.parse(this.#json);
      if (typeof value === 'string') return value;
      if (typeof value === 'object' && value !== null && 'input' in value && typeof value.input === 'string')
        return value.input;
    } catch {
      // Cut off, or no JSON.
    }
    return told === '' ? this.#json : told;
  }
}
