/** Numbers as they are written, with what stands at them: sign, currency, power, scale, percent, unit. Pure. */
import { sameUnit } from './units.js';
import { plain } from './writing.js';

export interface Quantity {
  /** What it may mean: `1.234` at a euro sign is a thousand and more. */
  readonly values: readonly number[];
  /** Of a whole number, whatever its length. */
  readonly whole: bigint | undefined;
  readonly percent: boolean;
  /** The word behind it, whether or not it is a unit. */
  readonly unit: string;
  readonly start: number;
  readonly end: number;
}

/** Thousands with commas, points, spaces or apostrophes; a comma or a point before decimals; `.50`. */
const DECIMAL = [
  String.raw`\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)(?:\.\d+)?`,
  String.raw`\d{1,3}(?:\.\d{3})+,\d+`,
  String.raw`\d{1,3}(?:\.\d{3}){2,}(?!\d)`,
  String.raw`\d{1,3}(?:[ ']\d{3})+(?!\d)(?:[.,]\d+)?`,
  String.raw`\d+,(?:\d{1,2}|\d{4,})(?!\d|,\d)`,
  String.raw`\d+(?:\.\d+)?`,
  String.raw`\.\d+`,
].join('|');
const SCALES: Readonly<Record<string, number>> = {
  hundred: 1e2,
  thousand: 1e3,
  k: 1e3,
  lakh: 1e5,
  million: 1e6,
  crore: 1e7,
  billion: 1e9,
  trillion: 1e12,
  万: 1e4,
  亿: 1e8,
  億: 1e8,
};
const NUMBER = new RegExp(
  [
    // Not within a word, a number or a power.
    String.raw`(?<![A-Za-z_\d^]|\d[.,])`,
    String.raw`(?<sign>(?:(?<![\d)\]\p{L}]\s?)[-+]\s?|(?<![\p{L}])(?:minus|negative)\s+))?`,
    String.raw`(?<currency>(?:US|CA|AU|R|A|C)?\$|[€£¥₹₩])?\s?(?<inner>-)?`,
    String.raw`(?:(?<mixed>\d+)\s+(?:and\s+)?(?<over>\d+)\/(?<under>\d+)`,
    String.raw`|(?<top>${DECIMAL})\s?\/\s?(?<bottom>-?\d+(?:\.\d+)?)(?!\/?\d)`,
    String.raw`|(?<core>${DECIMAL}))(?![.,]?\d)`,
    String.raw`(?:\s*[×x*]\s*10\s*\^\s*\(?(?<power>[-+]?\d+)\)?|e(?<exponent>[-+]?\d+)(?![\p{L}\d]))?`,
    String.raw`(?:\s?(?<scale>${Object.keys(SCALES).join('|')})(?![a-z]))?`,
    // A power, a root or a letter that it is multiplied with: that is an expression.
    String.raw`(?!\s*(?:\^|π|pi(?![a-z])|sqrt|\\)|[a-z]\^|[xyznabπ](?![\p{L}]))`,
    String.raw`(?<percent>\s?(?:%|per\s?cent(?![a-z])))?`,
  ].join(''),
  'giu',
);

export function quantitiesIn(text: string): readonly Quantity[] {
  const euros = /€|\beuros?\b|\d\.\d{3},\d|\d\.\d{3}\.\d{3}/iu.test(text);
  return [...text.matchAll(NUMBER)].flatMap((match) => {
    const found = match.groups ?? {};
    const negative = !(found['sign'] ?? '+').startsWith('+') || found['inner'] === '-';
    const scale =
      (SCALES[(found['scale'] ?? '').toLowerCase()] ?? 1) * 10 ** Number(found['power'] ?? found['exponent'] ?? 0);
    const values = readings(found, euros || found['currency'] !== undefined)
      .map((value) => (negative ? -value : value) * scale)
      .filter(Number.isFinite);
    if (values.length === 0) return [];
    const end = match.index + match[0].length;
    const whole = wholeOf(found['core'], scale);
    return [
      {
        values,
        whole: whole === undefined ? undefined : negative ? -whole : whole,
        percent: found['percent'] !== undefined,
        unit: /^\s*(°\s?[CF]?|[\p{L}µ]+(?:\s?\^\s?\d)?)/u.exec(text.slice(end))?.[1] ?? '',
        start: match.index + (/^\s*/.exec(match[0])?.[0].length ?? 0),
        end,
      },
    ];
  });
}

function readings(found: Readonly<Record<string, string | undefined>>, thousands: boolean): number[] {
  const { mixed, over, under, top, bottom, core = '' } = found;
  if (mixed !== undefined) return [Number(mixed) + Number(over) / Number(under)];
  if (top !== undefined) return [decimal(top) / Number(bottom)];
  if (thousands && /^[1-9]\d{0,2}\.\d{3}$/.test(core)) return [Number(core.replace('.', ''))];
  return [decimal(core)];
}

function decimal(written: string): number {
  const bare = written.replace(/[ ']/g, '');
  if (/^\d{1,3}(,\d{2,3})*,\d{3}(\.\d+)?$/.test(bare)) return Number(bare.replaceAll(',', ''));
  if (/^\d+(\.\d{3})+,\d+$/.test(bare)) return Number(bare.replaceAll('.', '').replace(',', '.'));
  if (/^\d{1,3}(\.\d{3}){2,}$/.test(bare)) return Number(bare.replaceAll('.', ''));
  return Number(bare.replace(',', '.'));
}

function wholeOf(core: string | undefined, scale: number): bigint | undefined {
  if (core === undefined || scale !== 1 || !/^\d[\d,' ]*$/.test(core)) return undefined;
  if (/,\d{1,2}$|,\d{4}/.test(core)) return undefined;
  return BigInt(core.replace(/[,' ]/g, ''));
}

/** `text` as one number, with a unit at most; undefined otherwise. */
export function asQuantity(text: string): Quantity | undefined {
  const bare = plain(text)
    .trim()
    .replace(/^\((-?[\d.,]+)\)$/u, '$1')
    .replace(/^[a-z]\s*=\s*/u, '')
    .replace(/[.。]$/u, '');
  const [only, second] = quantitiesIn(bare);
  if (only === undefined || second !== undefined || bare.slice(0, only.start).trim() !== '') return undefined;
  const rest = bare.slice(only.end).trim();
  return rest === '' || /^°\s?[CF]?$|^[\p{Ll}]+\.?(?:\s?\^\s?[23])?$|^(?:square|cubic) \p{Ll}+$/u.test(rest)
    ? only
    : undefined;
}

/** Equal up to the rounding that a printed decimal has; whole numbers equal to the last digit. */
export function sameNumber(a: number, b: number): boolean {
  if (a === b) return true;
  if (Number.isInteger(a) && Number.isInteger(b)) return false;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  return Math.abs(a - b) <= 1e-6 * Math.max(1e-3, Math.abs(a), Math.abs(b));
}

/**
 * Whether what is stated is what is wanted. A percent sign is a unit or a hundredth: of `50%` also 50, 0.5 and 1/2 are
 * right; of 0.5 also 50 %, but of 25 only 25 % where percents are asked for, and never 0.25.
 */
export function sameQuantity(stated: Quantity, wanted: Quantity, asksPercent: boolean): boolean {
  const [target = Number.NaN] = wanted.values;
  const is = (value: number): boolean => sameNumber(value, target);
  if (wanted.percent)
    return stated.values.some((value) => is(value) || (!stated.percent && sameNumber(value * 100, target)));
  if (stated.percent)
    return stated.values.some((value) =>
      asksPercent ? is(value) : (Math.abs(target) <= 1 || !Number.isInteger(target)) && sameNumber(value / 100, target),
    );
  const factor = sameUnit(stated.unit, wanted.unit);
  if (factor === 1 && stated.whole !== undefined && wanted.whole !== undefined) return stated.whole === wanted.whole;
  return factor !== undefined && stated.values.some((value) => is(value * factor));
}
