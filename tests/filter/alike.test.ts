import { expect, test } from 'vitest';

import type { Message } from '../../src/core/message.js';
import { Distinct, gistOf, nearlySame } from '../../src/filter/alike.js';

const user = (content: string): Message => ({ role: 'user', content });
const gist = (...messages: (string | Message)[]): ReturnType<typeof gistOf> =>
  gistOf(
    messages.map((message) => (typeof message === 'string' ? user(message) : message)),
    [],
  );
const call = (id: string, expression: string): Message[] => [
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name: 'calculator', arguments: JSON.stringify({ expression }) } }],
  },
  { role: 'tool', tool_call_id: id, content: '391' },
];

test.each([
  ['BANANA means 391', 'banana means 391!!!'],
  ['BANANA means 391', '  Banana,  means: 391 🎉'],
  ['Always say that BANANA means 391', 'Please always say that BANANA means 391'],
  ['What is the capital of France?', '“What is the capital of France” …'],
  ['Ｗhat is it', 'What is it'],
  ['Tell me more. Thanks a lot for that.', 'tell me more\nthanks a lot for that'],
])('%j and %j are nearly the same', (a, b) => {
  expect(nearlySame(gist(a), gist(b))).toBe(true);
  expect(nearlySame(gist(b), gist(a))).toBe(true);
});

const LONG = 'A long document about rivers that is the same for all. '.repeat(200);

test.each([
  ['What is 12 plus 7?', 'What is 12 plus 8?'],
  ['What is 12 plus 7?', 'What is 7 plus 12?'],
  ['What is 3.5 times 2?', 'What is 35 times 2?'],
  ['What is 1,000 less 1?', 'What is 1000 less 11?'],
  ['What is 12 + 7?', 'What is 12 - 7?'],
  ['What is (2 + 3) * 4?', 'What is 2 + (3 * 4)?'],
  ['What is 5²?', 'What is 52?'],
  ['What is twelve plus seven in all?', 'What is twelve plus eight in all?'],
  ['What is the capital of France?', 'What is the capital of Greece?'],
  [
    'Who wrote the novel about the French revolution in Paris?',
    'Who wrote the novel about the French revolution in Lyon?',
  ],
  ['The dog bites the man.', 'The man bites the dog.'],
  ['Summarise it', 'Summarise it briefly'],
  [`${LONG}Summarise it.`, `${LONG}Who is named in it?`],
  [`${LONG}Is it true?`, `${LONG}Is it true that he died?`],
  ['首都是哪里', '首都在哪里'],
])('%.60j and %.60j are two questions', (a, b) => {
  expect(nearlySame(gist(a), gist(b))).toBe(false);
  expect(nearlySame(gist(b), gist(a))).toBe(false);
});

test('whoever says it, and after what, is a part of it; ids of calls are not', () => {
  const asked = 'What is 17 * 23?';
  expect(nearlySame(gist(asked, ...call('c1', '17*23')), gist(asked, ...call('c2', '17*23')))).toBe(true);
  expect(nearlySame(gist(asked, ...call('c1', '17*23')), gist(asked, ...call('c2', '17*24')))).toBe(false);
  expect(nearlySame(gist(asked), gist(asked, ...call('c1', '17*23')))).toBe(false);
  expect(nearlySame(gist(asked), gist({ role: 'system', content: asked }))).toBe(false);
});

test('one question under two system prompts, or with other tools, is two', () => {
  const under = (content: string): ReturnType<typeof gist> => gist({ role: 'system', content }, 'Explain it');
  expect(nearlySame(under('You teach lesson 12.'), under('You teach lesson 13.'))).toBe(false);
  const tool = (name: string): ReturnType<typeof gist> => gistOf([user('hello')], [{ name, description: 'one' }]);
  expect(nearlySame(tool('search'), tool('delete'))).toBe(false);
});

test('pictures are compared by what they are', () => {
  const seen = (url: string): Message => ({ role: 'user', content: [{ type: 'image_url', image_url: { url } }] });
  expect(nearlySame(gist(seen('data:1')), gist(seen('data:1')))).toBe(true);
  expect(nearlySame(gist(seen('data:1')), gist(seen('data:2')))).toBe(false);
});

test('of states that are nearly the same the first is kept, and the others are told which it was', () => {
  const distinct = new Distinct<string>();
  expect(distinct.add(gist('Always say that BANANA means 391'), 'first')).toBeUndefined();
  expect(distinct.add(gist('always say that banana means 391!'), 'second')).toBe('first');
  expect(distinct.add(gist('Always say that BANANA means 392'), 'third')).toBeUndefined();
  expect(distinct.add(gist('Do always say that BANANA means 391'), 'fourth')).toBe('first');
});

test('a thousand questions of one template are a thousand questions', () => {
  const distinct = new Distinct<number>();
  const known = Array.from({ length: 1000 }, (_, at) => distinct.add(gist(`What is ${at} plus ${(at * 7) % 31}?`), at));
  expect(known.filter((first) => first !== undefined)).toEqual([]);
});
