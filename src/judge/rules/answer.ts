/** Reads the answer out of a text and compares it with a reference. Pure; lenient in form, strict in value. */

const NUMBER = /[-−]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?/gi;

/** The last number written in `text`, thousands commas removed; undefined where there is none. */
export function lastNumber(text: string): number | undefined {
  const found = text.match(NUMBER)?.at(-1);
  return found === undefined ? undefined : toNumber(found);
}

/** `text` as one number and nothing else; undefined otherwise. */
export function asNumber(text: string): number | undefined {
  const trimmed = text.trim();
  return /^[-−]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(trimmed) ? toNumber(trimmed) : undefined;
}

/** Equal up to the rounding a printed decimal has. */
export function sameNumber(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b));
}

/** Whether `text` states `reference`: a number as its last number, by value; words as a whole phrase anywhere in it. */
export function states(text: string, reference: string): boolean {
  const wanted = asNumber(reference);
  if (wanted !== undefined) {
    const stated = lastNumber(text);
    return stated !== undefined && sameNumber(stated, wanted);
  }
  return ` ${words(text)} `.includes(` ${words(reference)} `);
}

function toNumber(written: string): number | undefined {
  const value = Number(written.replace('−', '-').replaceAll(',', ''));
  return Number.isFinite(value) ? value : undefined;
}

function words(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFKC')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
