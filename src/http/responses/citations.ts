/** What a server cites beside its text, as annotations of the text: each once, whatever is sent again. */
import type { Beside } from '../../core/policy.js';
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

  add({ annotations }: Beside): void {
    for (const found of Array.isArray(annotations) ? annotations : []) {
      const annotation = this.#citation(found);
      const key = JSON.stringify(annotation);
      if (annotation === undefined || this.#known.has(key)) continue;
      this.#known.add(key);
      this.#waiting.push(annotation);
    }
  }

  /** Those that were not taken yet. */
  take(): readonly UrlCitation[] {
    if (this.#waiting.length === 0) return this.#waiting;
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  /** Chat Completions has its fields inside, Responses has them beside the type. */
  #citation(found: unknown): UrlCitation | undefined {
    if (typeof found !== 'object' || found === null || !('type' in found) || found.type !== 'url_citation')
      return undefined;
    const inner = 'url_citation' in found ? found.url_citation : found;
    if (typeof inner !== 'object' || inner === null) return undefined;
    const { url, title, start_index: start, end_index: end } = inner as Readonly<Record<string, unknown>>;
    if (typeof url !== 'string') return undefined;
    return {
      type: 'url_citation',
      start_index: this.#place(start),
      end_index: this.#place(end),
      url,
      title: typeof title === 'string' ? title : '',
    };
  }

  #place(index: unknown): number {
    return this.#base + (typeof index === 'number' && Number.isInteger(index) ? Math.max(0, index) : 0);
  }
}
