/** What is near to what was labelled, and what is not. */
import { expect, test } from 'vitest';

import type { Likeness } from '../../../src/core/judging/learned.js';
import type { Message } from '../../../src/core/message.js';
import { clustered, knownOf, likenessOf, nearest, resemblance } from '../../../src/judge/learned/likeness.js';

const asked = (question: string, tools: readonly string[] = ['calculator'], more: readonly Message[] = []): Likeness =>
  likenessOf({
    messages: [{ role: 'system', content: 'You have tools.' }, { role: 'user', content: question }, ...more],
    calls: tools.map((name, at) => ({ id: `c${at}`, name, arguments: '{}' })),
  });

test('the same wording with other numbers is the same', () => {
  expect(resemblance(asked('What is 12 times 3?'), asked('What is 1,408.5 times 77?'))).toBe(1);
  expect(resemblance(asked('what IS 12 times 3'), asked('What is 4 times 5?'))).toBe(1);
});

test('another wording is not, although its numbers and signs are the same', () => {
  expect(resemblance(asked('What is 12 * 3?'), asked('Compute 12 * 3'))).toBe(0);
  const near = resemblance(
    asked('Anna has 3 apples and buys 4 more. How many does she have?'),
    asked('Boris has 8 apples and buys 9 more. How many does he have?'),
  );
  expect(near).toBeGreaterThan(0.4);
  expect(near).toBeLessThan(1);
});

test('a call is never like an answer, nor like a call of other tools, nor like one after a tool', () => {
  const call = asked('What is 12 times 3?');
  expect(resemblance(call, asked('What is 12 times 3?', []))).toBe(0);
  expect(resemblance(call, asked('What is 12 times 3?', ['search']))).toBe(0);
  const after: Message = { role: 'tool', tool_call_id: 'c0', content: '36' };
  expect(resemblance(call, asked('What is 12 times 3?', ['calculator'], [after]))).toBe(0);
  expect(asked('x', ['b', 'a', 'b']).kind).toBe(asked('y', ['a', 'b']).kind);
});

test('scripts without spaces are compared sign by sign, and what has no words only with its like', () => {
  expect(resemblance(asked('12掛ける3はいくつですか'), asked('99掛ける7はいくつですか'))).toBe(1);
  expect(resemblance(asked('12掛ける3はいくつですか'), asked('天気はどうですか'))).toBeLessThan(0.5);
  expect(resemblance(asked('12*3'), asked('7+5='))).toBe(1);
  expect(resemblance(asked('12*3'), asked('What is 7+5?'))).toBe(0);
});

test('nothing of what was said can be read in it', () => {
  const likeness = asked('My name is Zebedee and my number is 5551234');
  expect(JSON.stringify(likeness)).not.toMatch(/zebedee|5551234/i);
});

test('clusters are wordings; one with few labels tells nothing of its like', () => {
  const list = [
    ...['1', '2', '3'].map((n) => asked(`What is ${n} times ${n}?`)),
    ...['1', '2', '3'].map((n) => asked(`Please work out the product of ${n} and ${n}.`)),
    asked('How far is it to the moon?', []),
  ];
  const { of, firsts } = clustered(list);
  expect(of).toEqual([0, 0, 0, 1, 1, 1, 2]);
  const known = knownOf(firsts, of);
  expect(known).toHaveLength(2);
  expect(nearest(asked('What is 8 times 9?'), known)).toEqual({ nearness: 1, cluster: known[0] });
  expect(nearest(asked('How far is it to the moon?', []), known)).toEqual({ nearness: 0 });
  expect(nearest(asked('anything'), [])).toEqual({ nearness: 0 });
});

test('a question of a book is measured by its beginning and its end', () => {
  const book = Array.from({ length: 50_000 }, (_, at) => `word${String.fromCharCode(97 + (at % 26))}`).join(' ');
  expect(asked(`Summarise this: ${book}`).marks.length).toBeLessThanOrEqual(130);
});
