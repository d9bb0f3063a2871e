/** The text a custom tool is called with, out of the arguments of the function it is to the policy, as they come. */

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
