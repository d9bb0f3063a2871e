/**
 * One way of writing for what is written in many: digits of every script, signs, fractions, powers, LaTeX. What comes
 * out is read by the others here and never shown. Pure.
 */

const POWERS: Readonly<Record<string, string>> = { '⁺': '+', '⁻': '-' };

/** Text without LaTeX, emphasis and invisible characters, its digits 0 to 9, its fractions and powers on the line. */
export function plain(text: string): string {
  return withoutLatex(signs(text));
}

function signs(text: string): string {
  return (
    text
      // Before NFKC, which would make 25 of 2⁵ and 21/2 of 2½.
      .replace(
        /(?<=[\p{L}\p{N})}])[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+/gu,
        (power) => `^${power.replace(/[⁺⁻]/gu, (at) => POWERS[at] ?? at)}`,
      )
      .replace(/(\p{Nd})?([¼-¾⅐-⅞])/gu, (_, whole: string | undefined, part: string) => `${whole ?? ''} ${part} `)
      .normalize('NFKC')
      .replace(/\p{Nd}/gu, digit)
      .replace(/⁄/gu, '/')
      .replace(/٫/gu, '.')
      .replace(/٬/gu, ',')
      .replace(/٪/gu, '%')
      .replace(/[‐‑−﹣]|[–—](?=\d)(?<!\d\s?.)/gu, '-')
      .replace(/[–—]/gu, ' – ')
      .replace(/√\s*(\d+|[a-z])/giu, 'sqrt($1)')
      .replace(/[’‘ʼ]/gu, "'")
      .replace(/\*\*|__|`|\p{Cf}/gu, '')
  );
}

/** Digits of a script stand in a row, the zero first. */
function digit(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value += 1;
  return String(value);
}

const GROUP = String.raw`\s*(?:\{([^{}]*)\}|(\w))`;
const FRACTION = new RegExp(String.raw`(\d)?\s*\\[dtc]?frac${GROUP}${GROUP}`, 'gu');
const ROOT = new RegExp(String.raw`\\sqrt(?:\[(\d+)\])?${GROUP}`, 'gu');
const SIMPLE = /^-?[\d.]+$/;

function withoutLatex(text: string): string {
  if (!/[\\${}^]/.test(text)) return text;
  let flat = text
    .replaceAll('{,}', ',')
    .replace(/\\(?:left|right|big|Big|displaystyle|limits)(?![a-z])/gu, '')
    .replace(/\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}/gu, ' $1 ')
    .replace(/\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree/gu, '°')
    .replace(/\\(?:times|cdot|ast)(?![a-z])/gu, ' × ')
    .replace(/\\div(?![a-z])/gu, ' / ')
    .replace(/\\infty(?![a-z])/gu, 'infinity')
    .replace(/\\(?:pm|mp)(?![a-z])/gu, '±')
    .replace(/\\(?:approx|simeq)(?![a-z])/gu, '≈')
    .replace(/\\([%$#&_])/gu, '$1')
    .replace(/\\[()[\],;!:\s]|~|\\q?quad(?![a-z])|\\\\/gu, ' ');
  for (let depth = 0; depth < 8; depth += 1) {
    const before = flat;
    flat = flat.replace(FRACTION, (_, whole, over, over1, under, under1) => {
      const [top, bottom] = [over ?? over1, under ?? under1] as [string, string];
      const written = SIMPLE.test(top) && SIMPLE.test(bottom) ? `${top}/${bottom}` : `((${top})/(${bottom}))`;
      return whole === undefined ? written : `${whole as string} ${written}`;
    });
    flat = flat.replace(ROOT, (_, degree: string | undefined, inner: string | undefined, one: string | undefined) =>
      degree === undefined ? `sqrt(${inner ?? one ?? ''})` : `((${inner ?? one ?? ''})^(1/${degree}))`,
    );
    if (flat === before) break;
  }
  return flat
    .replace(/\^\s*\{\s*(-?\d+)\s*\}/gu, '^$1')
    .replace(/\^\s*\{([^{}]*)\}/gu, '^($1)')
    .replace(/\\([a-z]+)/giu, ' $1 ')
    .replace(/\$(?!\s?-?\.?\d)/gu, '')
    .replace(/[{}]/gu, '');
}
