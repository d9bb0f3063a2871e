/** Integers beyond 2^53, read and written. */
import { expect, it } from 'vitest';

import { canonicalJson } from '../../../src/core/text/hash.js';
import { marked, outsideStrings, parseJson, unmarked, writeJson } from '../../../src/core/text/json.js';

it.each([
  '{"id":12345678901234567890}',
  '[-12345678901234567890,[9007199254740993]]',
  '{"a":{"maximum":18446744073709551615,"text":"12345678901234567890 and \\"9007199254740993\\\\"},"b":0.5}',
])('%s comes back as it was', (text) => {
  expect(writeJson(parseJson(text))).toBe(text);
  expect(canonicalJson(parseJson(text))).toBe(text);
  expect(unmarked(JSON.stringify(marked(parseJson(text))))).toBe(text);
});

it.each<[string, unknown]>([
  ['1234567890123456', 1234567890123456],
  ['0.12345678901234567890', 0.12345678901234568],
  ['1e30', 1e30],
  ['123456789012345678.5', 123456789012345680],
  ['{"12345678901234567890":1}', { '12345678901234567890': 1 }],
])('%s is what JSON.parse makes of it', (text, value) => {
  expect(parseJson(text)).toEqual(value);
});

it('9007199254740992 is the first that is none', () => {
  expect(parseJson('[9007199254740991,9007199254740992]')).toEqual([9007199254740991, 9007199254740992n]);
});

it.each(['{12345678901234567890:1}', '12345678901234567890x', '[01234567890123456789]', '{"a":12345678901234567890'])(
  '%s is no JSON',
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  },
);

it('what cannot be written for another reason is still refused', () => {
  const circle: unknown[] = [1n];
  circle.push(circle);
  expect(() => writeJson(circle)).toThrow();
});

it('finds what stands outside strings, however long they are', () => {
  expect(outsideStrings('{"a\\"1":[1.5,"\\\\"],"b":2}')).toBe('{:[1.5,],:2}');
  expect(outsideStrings(`[1,"${'\\n'.repeat(4_000_000)}","${'x'.repeat(12_000_000)}",2]`)).toBe('[1,,,2]');
});
