/**
 * A histogram as Prometheus reads it, counted in plain numbers. prom-client's own takes 0.65 us an observation,
 * and a request makes half a dozen of them.
 */
export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds, ascending; the last bucket has none. */
  readonly buckets: readonly number[];
  /** Name of the one label. Its values must be bounded. */
  readonly label?: string | undefined;
}

interface Series {
  /** One more than there are bounds. */
  readonly counts: number[];
  sum: number;
}

export class Histogram {
  readonly #options: HistogramOptions;
  readonly #series = new Map<string, Series>();

  constructor(options: HistogramOptions) {
    this.#options = options;
    if (options.label === undefined) this.#start('');
  }

  observe(value: number, label = ''): void {
    const series = this.#series.get(label) ?? this.#start(label);
    const { buckets } = this.#options;
    let at = 0;
    while (at < buckets.length && value > (buckets[at] ?? 0)) at += 1;
    series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.sum += value;
  }

  /** The exposition format, version 0.0.4. */
  text(): string {
    const { name, help, buckets, label } = this.#options;
    let text = `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`;
    for (const [value, { counts, sum }] of this.#series) {
      const own = label === undefined ? '' : `${label}="${escaped(value)}"`;
      const apart = own === '' ? '' : ',';
      const whole = own === '' ? '' : `{${own}}`;
      let below = 0;
      for (const [at, count] of counts.entries()) {
        below += count;
        text += `${name}_bucket{${own}${apart}le="${buckets[at] ?? '+Inf'}"} ${below}\n`;
      }
      text += `${name}_sum${whole} ${sum}\n${name}_count${whole} ${below}\n`;
    }
    return text;
  }

  #start(label: string): Series {
    const series = { counts: Array<number>(this.#options.buckets.length + 1).fill(0), sum: 0 };
    this.#series.set(label, series);
    return series;
  }
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
