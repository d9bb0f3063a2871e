/** Numbers that are written in words: English, and the numerals of Chinese and Japanese. Pure. */

const ONES =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
  'eighteen nineteen';
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety';
const SMALL: ReadonlyMap<string, number> = new Map([
  ...ONES.split(' ').map((word, at): [string, number] => [word, at]),
  ...TENS.split(' ').map((word, at): [string, number] => [word, (at + 2) * 10]),
]);
const LARGE: ReadonlyMap<string, number> = new Map([
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
]);
const NAMES = [...SMALL.keys(), ...LARGE.keys(), 'hundred'].join('|');
const WORDS = new RegExp(`\\b(?:${NAMES})(?:(?:[\\s-]+|\\s+and\\s+)(?:${NAMES}))*\\b`, 'giu');
const HAN = '零〇一二三四五六七八九';
const HAN_SCALES: Readonly<Record<string, number>> = { 十: 10, 百: 100, 千: 1000 };

/** The text with each such number in digits. */
export function withDigits(text: string): string {
  return text
    .replace(WORDS, (words) => String(english(words.toLowerCase().split(/[\s-]+/))))
    .replace(/[零〇一二三四五六七八九十百千万]+/gu, (numeral) => String(han(numeral)));
}

function english(words: readonly string[]): number {
  let total = 0;
  let below = 0;
  for (const word of words) {
    const large = LARGE.get(word);
    if (large !== undefined) {
      total += (below === 0 ? 1 : below) * large;
      below = 0;
    } else if (word === 'hundred') below = (below === 0 ? 1 : below) * 100;
    else below += SMALL.get(word) ?? 0;
  }
  return total + below;
}

function han(numeral: string): number {
  const [upper = '', lower] = numeral.split('万');
  if (lower !== undefined) return (upper === '' ? 1 : han(upper)) * 10_000 + (lower === '' ? 0 : han(lower));
  if (!/[十百千]/u.test(numeral)) return Number(Array.from(numeral, hanDigit).join(''));
  let total = 0;
  let digit = 0;
  for (const character of numeral) {
    const scale = HAN_SCALES[character];
    if (scale === undefined) digit = hanDigit(character);
    else {
      total += (digit === 0 ? 1 : digit) * scale;
      digit = 0;
    }
  }
  return total + digit;
}

function hanDigit(character: string): number {
  return Math.max(0, HAN.indexOf(character) - 1);
}
