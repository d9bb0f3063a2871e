/** Prometheus' exposition format, version 0.0.4, read strictly: whatever does not follow it throws. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let help: [string, string] | undefined;
  let current: string | undefined;
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name = '', said = ''] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
      help = [name, said];
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
      if (name === '' || help?.[0] !== name || families.has(name)) throw new Error(`out of place: ${line}`);
      families.set((current = name), { type, help: help[1], samples: [] });
    } else {
      const sample = sampleOf(line);
      const family = current === undefined ? undefined : families.get(current);
      const allowed =
        family?.type === 'histogram' ? [`${current}_bucket`, `${current}_sum`, `${current}_count`] : [current];
      if (family === undefined || !allowed.includes(sample.name)) throw new Error(`out of place: ${line}`);
      family.samples.push(sample);
    }
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family);
  return families;
}

function sampleOf(line: string): Sample {
  const [, name = '', inner = '', number = ''] = LINE.exec(line) ?? [];
  const labels: Record<string, string> = {};
  let read = 0;
  for (const match of inner.matchAll(LABEL)) {
    labels[match[1] ?? ''] = match[2] ?? '';
    read += match[0].length;
  }
  const value = number === '+Inf' ? Infinity : Number(number);
  if (name === '' || read !== inner.length || Number.isNaN(value)) throw new Error(`not a sample: ${line}`);
  return { name, labels, value };
}

/** Buckets grow, end in +Inf, and the last of them is the count. */
function checkHistogram(name: string, { samples }: Family): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = JSON.stringify(Object.entries(sample.labels).filter(([label]) => label !== 'le'));
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, of] of series) {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])));
    const growing = (list: readonly number[], strictly: boolean): boolean =>
      list.every((value, at) => at === 0 || value > (list[at - 1] ?? 0) || (!strictly && value === list[at - 1]));
    const count = of.find((sample) => sample.name === `${name}_count`)?.value;
    const sums = of.filter((sample) => sample.name === `${name}_sum`).length;
    if (
      !growing(bounds, true) ||
      bounds.at(-1) !== Infinity ||
      !growing(
        buckets.map(({ value }) => value),
        false,
      ) ||
      buckets.at(-1)?.value !== count ||
      sums !== 1
    )
      throw new Error(`${name}${key} is no histogram`);
  }
}
