import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { normaliseMessages, normaliseArguments } from '../../../src/core/text/spelling.js';

/** As `json.dumps` of Python has it. */
function spaced(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, field]) => `${JSON.stringify(key)}: ${spaced(field)}`)
    .join(', ')}}`;
}

const reversed = (value: object): object => Object.fromEntries(Object.entries(value).reverse());

test.each([
  ['{"city":"Rome","days":2}', '{"city": "Rome", "days": 2}'],
  ['{ "days" : 2.0 ,\n"city":"Rome"}', '{"city": "Rome", "days": 2}'],
  ['{"city":"K\\u00f6ln"}', '{"city": "Köln"}'],
  ['{"a":{"c":[1,{"b":1e3}]},"A":null}', '{"A": null, "a": {"c": [1, {"b": 1000}]}}'],
  ['{"id":12345678901234567890,"at":-9007199254740993}', '{"at": -9007199254740993, "id": 12345678901234567890}'],
  ['', '{}'],
  ['  ', '{}'],
  ['{}', '{}'],
])('%s and %s are one', (said, spelled) => {
  expect(normaliseArguments(said)).toBe(spelled);
  expect(normaliseArguments(spelled)).toBe(spelled);
});

test.each([
  '{"a":',
  'Rome',
  '[1,2]',
  '"x"',
  'null',
  '7',
  '{"x":0.1234567890123456789}',
  '{"x":12345678901234567.5}',
  '{"x":1234567890123456789e2}',
  `{"a":${'['.repeat(200_000)}`,
  `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
])('what cannot be read and written again without loss stays as it is', (text) => {
  expect(normaliseArguments(text)).toBe(text);
});

test('a long number inside a text is no number', () => {
  expect(normaliseArguments('{"card":"1234567890123456 \\" 1"}')).toBe('{"card": "1234567890123456 \\" 1"}');
});

test('any object is spelled alike by whatever wrote it, and still says the same', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      fc.pre(!/\d{16}/.test(JSON.stringify(value)));
      const [spelled = '', ...others] = [
        JSON.stringify(value),
        spaced(value),
        JSON.stringify(value, null, 2),
        JSON.stringify(reversed(value)),
      ].map(normaliseArguments);
      expect(others).toEqual(others.map(() => spelled));
      expect(JSON.parse(spelled)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a conversation in which nothing changes stays the same object', () => {
  const plain: Message[] = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'ho' },
  ];
  expect(normaliseMessages(plain)).toBe(plain);
  const called = (args: string): Message[] => [
    ...plain,
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: args } }],
    },
  ];
  const alike = called('{"a": 1}');
  expect(normaliseMessages(alike)).toBe(alike);
  expect(normaliseMessages(called('{"a":1}'))).toEqual(alike);
});
