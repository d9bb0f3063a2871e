/**
 * How people and small models write arithmetic, brought to what mathjs reads. Only what has one possible
 * meaning is rewritten; everything else is left for the parser to refuse.
 */

const SIGNS: readonly (readonly [RegExp, string])[] = [
  [/[\u00d7\u2715\u2217\u22c5\u00b7\u2022]/g, '*'],
  [/[\u00f7\u2215\u2044]/g, '/'],
  [/[\u2212\u2013\u2014]/g, '-'],
  [/\u00b2/g, '^2'],
  [/\u00b3/g, '^3'],
  [/\*\*/g, '^'],
  [/[\u00a0\u2007\u2009\u202f]/g, ' '],
  // An x between two numbers is a sign; 0x1F stays a hexadecimal number.
  [/(?<=[\d)]\s+|[1-9)]|\d0)[xX](?=\s*[\d(.])/g, '*'],
  // A currency sign before a number says nothing about the arithmetic.
  [/[$\u20ac\u00a3](?=\s*[\d.(])/g, ''],
];

/** The expression as the evaluator is given it. */
export function normalise(expression: string): string {
  let text = expression
    .trim()
    .replace(/^=\s*/, '')
    .replace(/\s*=\s*\??\s*$/, '')
    .replace(/\?\s*$/, '');
  for (const [sign, plain] of SIGNS) text = text.replace(sign, plain);
  return withoutThousands(text).trim();
}

/**
 * `1,234,567.5` becomes `1234567.5`, but not inside the arguments of a function, an index or a list, where
 * a comma separates: `max(1,234)` has two arguments.
 */
function withoutThousands(text: string): string {
  const enclosing: boolean[] = [];
  let out = '';
  for (let at = 0; at < text.length; at += 1) {
    const sign = text.charAt(at);
    if (sign === '(') enclosing.push(/[A-Za-z_][A-Za-z0-9_]*\s*$/.test(out));
    else if (sign === '[' || sign === '{') enclosing.push(true);
    else if (sign === ')' || sign === ']' || sign === '}') enclosing.pop();
    const separates = enclosing.includes(true);
    const grouped = separates || /[\w.]$/.test(out) ? null : /^\d{1,3}(?:,\d{3})+(?![\d,])/.exec(text.slice(at));
    if (grouped === null) out += sign;
    else {
      out += grouped[0].replaceAll(',', '');
      at += grouped[0].length - 1;
    }
  }
  return out;
}
