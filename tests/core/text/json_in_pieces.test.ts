/** JSON read in pieces is what it is when it is parsed whole, wherever the pieces end; and each is a piece. */
import fc from 'fast-check';
import { expect, it, test } from 'vitest';

import { parseJson } from '../../../src/core/text/json.js';
import { jsonInPieces, type ReadingPieces } from '../../../src/core/text/json_in_pieces.js';

const word = (): fc.Arbitrary<string> =>
  fc
    .array(
      fc.constantFrom(
        'a',
        'é',
        '€',
        '😀',
        '\\"',
        '\\\\',
        '\\n',
        '\\u00e9',
        '\\ud83d',
        '\\ude00',
        '[',
        ',',
        '16 chars in a row',
      ),
      { maxLength: 12 },
    )
    .map((parts) => `"${parts.join('')}"`);

const blank = fc.constantFrom('', '', '', ' ', '\n\t', '\r'.repeat(12), ' '.repeat(40));

const name = fc.oneof(
  word(),
  fc.constantFrom('""', '"a"', '"b"', '"7"', '"__proto__"', '"constructor"', '"a longer name"'),
);

/** JSON as nobody would write it: names that stand twice, blanks everywhere, integers that JSON.parse would round. */
const { json } = fc.letrec<{ json: string; plain: string; list: string; object: string }>((tie) => ({
  plain: fc.oneof(
    word(),
    fc.constantFrom(
      '0',
      '-1.5e3',
      'true',
      'false',
      'null',
      '12345678901234567890',
      '-9007199254740993',
      '0.1234567890123456789',
    ),
  ),
  list: fc
    .array(fc.tuple(blank, tie('json'), blank), { maxLength: 6 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .array(fc.tuple(blank, name, blank, fc.constant(':'), blank, tie('json'), blank), { maxLength: 6 })
    .map((fields) => `{${fields.map((field) => field.join('')).join(',')}}`),
  json: fc.oneof({ depthSize: 'medium', withCrossShrink: true }, tie('plain'), tie('list'), tie('object')),
}));
const piece = fc.integer({ min: 1, max: 80 });

test('any JSON is the same in pieces', () => {
  fc.assert(
    fc.property(blank, json, blank, piece, fc.boolean(), (before, text, after, bytes, exact) => {
      const whole = Buffer.from(before + text + after);
      expect(outcome(() => inPieces(whole, { piece: bytes, exact }))).toBe(
        outcome(() => (exact ? parseJson(whole.toString()) : JSON.parse(whole.toString()))),
      );
    }),
    { numRuns: 1_500 },
  );
});

test('what is no JSON is refused in pieces as well, and what still is some is the same', () => {
  const change = fc.record({
    at: fc.nat(),
    cut: fc.constantFrom(0, 1, 1, 2),
    put: fc.oneof(
      fc
        .constantFrom('', ',', ':', '[', ']', '{', '}', '"', '\\', '-', '1', ' ', 'null', '\ufeff', '{}', '"":')
        .map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    ),
  });
  fc.assert(
    fc.property(json, fc.array(change, { minLength: 1, maxLength: 3 }), piece, (text, changes, size) => {
      let bytes = Buffer.from(text);
      for (const { at, cut, put } of changes) {
        const from = at % (bytes.length + 1);
        bytes = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + cut)]);
      }
      const whole = outcome(() => parseJson(bytes.toString('utf8')));
      expect(outcome(() => inPieces(bytes, { piece: size }))).toBe(whole);
    }),
    { numRuns: 3_000 },
  );
});

it.each([
  '',
  ' ',
  '1',
  '1 2',
  '1,2',
  '[1,2,]',
  '[,1]',
  '[1,,2]',
  '{"a":1,}',
  '{,"a":1}',
  '{"a"}',
  '{"a":}',
  '{"a":1:2}',
  '[1:2]',
  '[1 [2]]',
  '[[1] 2]',
  '[[1][2]]',
  '{"a":[1][2]}',
  '{"a":1 "b":[2]}',
  '{[1]}',
  '{"a" [1]}',
  '{1:[2]}',
  '[1}',
  '{"a":1]',
  '[[1]',
  '[1]]',
  '["a" "b"]',
  '{"a" "b":1}',
  '{"a":"b" "c":1}',
  '{"a":-"b"}',
  '["a',
  '["a\\',
  '"\\u12"',
  '"\\x"',
  '"a\nb"',
  '\ufeff[1]',
  '[1]\ufeff',
  '[\u00a01]',
  '[01]',
  '[1.]',
  '[nul l]',
  '["a":"b"]',
  '{"a":{"b":1},"a":{"c":2}}',
  '{"__proto__":{"a":[1]},"b":{}}',
  '[[],[[]],{},{"":{}}]',
])('%s is what it is in pieces of every length', (text) => {
  const whole = outcome(() => parseJson(text));
  for (let size = 1; size <= text.length + 1; size += 1)
    expect(outcome(() => inPieces(Buffer.from(text), { piece: size }))).toBe(whole);
});

test('letters that are none are the same in pieces', () => {
  const broken = [[0x80], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xf0, 0x9f, 0x98, 0x80, 0x80, 0x80, 0x80], [0xff]];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...broken, [0x41], [0xc3, 0xa9]), { maxLength: 20 }), piece, (parts, size) => {
      const whole = Buffer.concat([Buffer.from('["'), Buffer.from(parts.flat()), Buffer.from('"]')]);
      expect(outcome(() => inPieces(whole, { piece: size }))).toBe(outcome(() => parseJson(whole.toString('utf8'))));
    }),
    { numRuns: 2_000 },
  );
});

test('what is nested too deep and a number of many pages are too much', () => {
  const deep = (levels: number): Buffer => Buffer.from('[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2));
  for (const size of [3, 1_000_000]) {
    expect(outcome(() => inPieces(deep(100), { piece: size }))).toBe(outcome(() => parseJson(deep(100).toString())));
    expect(() => inPieces(deep(102), { piece: size })).toThrow(new RangeError('is nested deeper than 100 levels'));
    expect(() => inPieces(Buffer.from(`[${'7'.repeat(65_537)}]`), { piece: size })).toThrow(
      new RangeError('holds a number of more than 65536 digits'),
    );
  }
});

const PIECE = 1_024;
const many = (times: number, text: string): string => text.repeat(times);
const nested = many(90, `{"a":[${many(80, '123456789,')}1],"b":`) + '1' + many(90, '}');

it.each([
  ['numbers', `[${many(100_000, '1,')}1]`],
  ['objects', `[${many(5_000, '{"role":"user","at":[1,2]},')}{}]`],
  ['names', `{${Array.from({ length: 10_000 }, (_, at) => `"name ${at}":${at}`).join(',')}}`],
  ['a text', `{"a":["${many(30_000, 'words ')}"]}`],
  ['escapes', `"${many(50_000, '\\"\\\\')}"`],
  ['backslashes', `["${many(100_000, '\\\\')}"]`],
  ['a long name', `{"a":{"${many(20_000, 'é\\u00e9')}":[1,{"b":2}]},"c":3}`],
  ['blanks', `[1,${many(100_000, ' \n')}2,${many(50_000, '\t')}]`.replace(',]', ']')],
  ['lists in lists', many(99, `[${many(80, '123456789,')}`) + '1' + many(99, ']')],
  ['objects in objects', nested],
  ['what is wrong at its end', `[${many(100_000, '1,')}]`],
])('no piece of %s is much more than a piece', (_, text) => {
  const bytes = Buffer.from(text);
  const pieces: number[] = [];
  expect(outcome(() => inPieces(bytes, { piece: PIECE }, pieces))).toBe(outcome(() => parseJson(text)));
  expect(Math.max(...pieces)).toBeLessThanOrEqual(5 * PIECE);
  expect(pieces.length).toBeGreaterThanOrEqual(Math.floor(bytes.length / PIECE));
});

it.each([8, 1_000])('the names of the outermost object are told as they are written, in pieces of %i', (size) => {
  const text = '{"a":{"b":[{"c":1}]},\n"a" :"d:e","\\u0061":1,"n":[{"f":[1,2,3,4,5,6,7,8]},{"g":{}}]}';
  const bytes = Buffer.from(text);
  const names: string[] = [];
  inPieces(bytes, { piece: size, named: (from, to) => names.push(bytes.toString('utf8', from, to).trim()) });
  expect(names).toEqual(['"a"', '"a"', '"\\u0061"', '"n"']);
});

function inPieces(bytes: Buffer, reading: ReadingPieces, pieces: number[] = []): unknown {
  const reader = jsonInPieces(bytes, reading);
  for (;;) {
    const next = reader.next();
    if (next.done === true) return next.value;
    pieces.push(next.value);
  }
}

/** The value as text, own `__proto__` and the order of names included; or what kind of error was thrown. */
function outcome(read: () => unknown): string {
  try {
    return JSON.stringify(read(), (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
  } catch (thrown) {
    return (thrown as Error).name;
  }
}
