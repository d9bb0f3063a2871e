import { expect, test } from 'vitest';

import { parseJson, writeJson } from '../../../src/core/text/json.js';
import { isLarge, jsonPieces, PIECE_CHARS } from '../../../src/core/text/json_pieces.js';

const long = (word: string): string => word.repeat(Math.ceil((3 * PIECE_CHARS) / word.length));

test('the pieces together are the JSON text of the value, and none is much longer than a piece', () => {
  const values: readonly unknown[] = [
    long('words and "quotes", \\ and\n lines '),
    `a${long('\u{1F600}')}`, // characters of two halves at every edge
    `${long('x')}\ud83d`, // a half that is alone
    [long('é'), 'small', long('z')],
    Array.from({ length: 200_000 }, (_, at) => at),
    Array.from({ length: 9_000 }, (_, at) => ({ role: 'user', content: `line ${at} `.repeat(20), name: undefined })),
    [undefined, long('a'), null, undefined, () => 1],
    { a: undefined, messages: [{ content: long('b') }], n: 12345678901234567890n, list: [], none: {} },
    { only: undefined, text: long('c'), 'na"me': [[[long('d')], true], 1.5, { deep: long('e') }] },
    { big: [1n, long('f'), 98765432109876543210n] },
    {},
    [],
    'small',
    7,
    null,
  ];
  for (const value of values) {
    const pieces = [...jsonPieces(value)];
    expect(pieces.join('') === writeJson(value)).toBe(true);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(8 * PIECE_CHARS);
    expect(parseJson(pieces.join(''))).toEqual(parseJson(writeJson(value)));
  }
});

test('a value is large where its texts, its items or its names are', () => {
  expect(isLarge({ messages: [{ role: 'user', content: 'x'.repeat(1_000) }] }, 1_000)).toBe(true);
  expect(isLarge({ messages: [{ role: 'user', content: 'x'.repeat(900) }] }, 1_000)).toBe(false);
  expect(
    isLarge(
      Array.from({ length: 1_000 }, () => 1),
      1_000,
    ),
  ).toBe(true);
  expect(isLarge({ ['n'.repeat(1_000)]: 1 }, 1_000)).toBe(true);
  expect(isLarge([undefined, null, 1n, true], 1_000)).toBe(false);
});
