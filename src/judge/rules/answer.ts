/** Reading an answer out of text, and whether it is the reference. Pure; lenient in form, strict in value. */

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

/** Whether what `text` says in the end is `reference`: by value for numbers, as a whole phrase for words. */
export function states(text: string, reference: string): boolean {
  const wanted = asNumber(reference);
  if (wanted !== undefined) {
    const said = lastNumber(text);
    return said !== undefined && sameNumber(said, wanted);
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
