/** Large values are refused for their first fault, as small ones are, and what is right stays right. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

import { excerpt } from '../../../src/core/check.js';
import { safelyParsed } from '../../../src/http/protocol/large.js';

const Part = z.strictObject({ type: z.literal('text'), text: z.string() });
const Message = z.strictObject({ role: z.enum(['user', 'assistant']), content: z.union([z.string(), z.array(Part)]) });
const Messages = z.array(Message).min(1);
const Prompt = z.union([
  z.string(),
  z.array(z.int().nonnegative()).min(1),
  z.array(z.array(z.int().nonnegative()).min(1)),
]);

const message = { role: 'user', content: 'hi' };
const many = <T>(n: number, one: (at: number) => T): T[] => Array.from({ length: n }, (_, at) => one(at));

/** Paths of all that is wrong. */
function faults(schema: z.ZodType, value: unknown): (readonly PropertyKey[])[] | undefined {
  const { error } = safelyParsed(schema, value);
  return error?.issues.map(({ path }) => path);
}

describe('of a large value that is wrong one fault is told, at its place', () => {
  test.each([
    ['numbers where messages belong', Messages, many(100_000, (at) => at), [0]],
    ['the last of many messages', Messages, [...many(9_000, () => message), 7], [9_000]],
    [
      'a part of one of many messages',
      Messages,
      many(5_000, (at) => (at === 4_321 ? { role: 'user', content: [{ type: 'text', text: 5 }] } : message)),
      [4_321, 'content', 0, 'text'],
    ],
    [
      'one of many parts of a message',
      Messages,
      [{ role: 'user', content: many(50_000, (at) => (at === 49_999 ? 1 : { type: 'text', text: 'x' })) }],
      [0, 'content', 49_999],
    ],
    ['many wrong parts', Messages, [{ role: 'user', content: many(50_000, () => 1) }], [0, 'content', 0]],
    ['a token below 0 among many', Prompt, many(100_000, (at) => (at === 77_777 ? -1 : at)), [77_777]],
    [
      'a token below 0 in one of two prompts',
      Prompt,
      [[1, 2], many(100_000, (at) => (at === 88_888 ? -1 : at))],
      [1, 88_888],
    ],
    ['fields that there are not', Messages, many(5_000, () => ({ ...message, more: 1 })), [0]],
    [
      'one value of many in a record',
      z.record(z.string(), z.number()),
      Object.fromEntries(many(9_000, (at) => [`t${at}`, at === 8_765 ? 'x' : 1])),
      ['t8765'],
    ],
  ] as const)('%s', (_, schema, value, path) => {
    expect(faults(schema, value)).toEqual([path]);
  });
});

describe('what is right stays as it is', () => {
  test.each([
    ['many messages', Messages, many(20_000, () => message)],
    [
      'many parts',
      Messages,
      many(3, () => ({ role: 'user', content: many(9_000, (at) => ({ type: 'text', text: `${at}` })) })),
    ],
    ['a prompt of many tokens', Prompt, many(300_000, (at) => at)],
    ['several', Prompt, many(3, () => many(9_000, (at) => at))],
    ['many prompts, the last of which is short', Prompt, [...many(5_000, () => [1, 2, 3]), [4]]],
    ['lists that need so many entries', z.array(z.string()).min(40), many(5_000, String)],
    [
      'an object with what it must have, and much more',
      z.looseObject({ must: z.string() }),
      { must: 'x', ...Object.fromEntries(many(9_000, (at) => [`f${at}`, at])) },
    ],
  ] as const)('%s', (_, schema, value) => {
    const { success, data } = safelyParsed(schema, value);
    expect(success).toBe(true);
    expect(data).toEqual(value);
  });

  test('what is wrong with a list as a whole is told of the whole', () => {
    expect(faults(z.array(z.string()).max(4_000), many(5_000, String))).toEqual([[]]);
    expect(
      faults(
        z.array(z.string()).refine((list) => list.at(-1) === 'end'),
        many(5_000, String),
      ),
    ).toEqual([[]]);
  });
});

test('a large value is quoted by how large it is', () => {
  expect(excerpt(many(100_000, (at) => at))).toBe('a list of 100000 entries');
  expect(excerpt('x'.repeat(100_000))).toBe(`"${'x'.repeat(60)}"... of 100000 characters`);
  expect(excerpt(Object.fromEntries(many(9_000, (at) => [`f${at}`, at])))).toBe('an object of 9000 fields');
  expect(excerpt(many(10, () => 'text'))).toBe(
    '["text","text","text","text","text","text","text","text","text","text"]',
  );
});
