/** What a server cites beside its text, as annotations of the text: each once, whatever is sent again. */
import type { Cited } from '../protocol/beside.js';
import type { UrlCitation } from './object.js';

export class Citations {
  readonly #known = new Set<string>();
  #waiting: UrlCitation[] = [];
  /** Where the text of this action begins in its part. */
  #base = 0;

  /** Another text begins. */
  begin(): void {
    this.#base = 0;
  }

  /** Another action begins, which may go on with the text. */
  next(base: number): void {
    this.#base = base;
    this.#known.clear();
  }

  add(cited: readonly Cited[]): void {
    for (const { url, title, start, end } of cited) {
      const annotation: UrlCitation = {
        type: 'url_citation',
        start_index: this.#base + (start ?? 0),
        end_index: this.#base + (end ?? 0),
        url,
        title,
      };
      // One without a place says nothing new of a source that is known.
      const key = start === undefined ? url : JSON.stringify(annotation);
      if (!this.#known.has(key)) this.#waiting.push(annotation);
      this.#known.add(key).add(url);
    }
  }

  /** Those that were not taken yet. */
  take(): readonly UrlCitation[] {
    if (this.#waiting.length === 0) return this.#waiting;
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }
}
