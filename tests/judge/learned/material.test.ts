/** What a learned judge is shown: bounded, the same for a step and a sample, and ending where its word stands. */
import { expect, test } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { promptOf, questionOf, shortened } from '../../../src/judge/learned/material.js';

const user = (content: string): Message => ({ role: 'user', content });
const CALL = { id: 'call-1', name: 'calculator', arguments: '{"expression":"12*3"}' };

test('it is the conversation, the action, and the beginning of a sentence', () => {
  const messages: Message[] = [{ role: 'system', content: 'You are a calculator.' }, user('What is 12 times 3?')];
  expect(promptOf({ messages, text: '', calls: [CALL] })).toBe(
    'user: What is 12 times 3?\nAction: call calculator {"expression":"12*3"}\nThe action is',
  );
  expect(promptOf({ messages: [user('Hi')], text: '', calls: [] })).toContain('Action: (nothing)\n');
});

test('what tools gave is in it, and ids, which are drawn by chance, are not', () => {
  const messages: Message[] = [
    user('What is 12 times 3, plus 4?'),
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'call-77', type: 'function', function: { name: CALL.name, arguments: CALL.arguments } }],
    },
    { role: 'tool', tool_call_id: 'call-77', content: '36' },
  ];
  const prompt = promptOf({ messages, text: 'It is 40.', calls: [] });
  expect(prompt).toBe(
    'user: What is 12 times 3, plus 4?\nassistant: call calculator {"expression":"12*3"}\ntool: 36\n' +
      'Action: It is 40.\nThe action is',
  );
  expect(prompt).not.toContain('call-77');
});

test('of a long conversation the newest is shown, and the question wherever it stands', () => {
  const page: Message = { role: 'tool', tool_call_id: 'c', content: `begin ${'x'.repeat(90_000)} end` };
  const messages = [user('EARLIER'), user('THE QUESTION'), ...Array.from({ length: 40 }, () => page)];
  const prompt = promptOf({ messages, text: 'y'.repeat(90_000), calls: [] });
  expect(prompt.length).toBeLessThan(5_000);
  expect(prompt).toContain('user: THE QUESTION\n');
  expect(prompt).not.toContain('EARLIER');
  expect(prompt).toContain('begin xxx');
  expect(prompt.endsWith('\nThe action is')).toBe(true);
});

test('a question of many messages before is not shown twice', () => {
  const prompt = promptOf({ messages: [user('ONE'), user('TWO')], text: 'a', calls: [] });
  expect(prompt.split('TWO')).toHaveLength(2);
  expect(prompt.indexOf('ONE')).toBeLessThan(prompt.indexOf('TWO'));
});

test('too many tokens are cut in the middle, always in the same place', () => {
  const ids = Array.from({ length: 5_000 }, (_, at) => at);
  const cut = shortened(ids);
  expect(cut).toHaveLength(1_000);
  expect([cut[0], cut[199], cut[200], cut[999]]).toEqual([0, 199, 4_200, 4_999]);
  expect(shortened(ids.slice(0, 1_000))).toEqual(ids.slice(0, 1_000));
});

test('the question is what the user said last', () => {
  expect(questionOf([user('a'), user('b'), { role: 'tool', tool_call_id: 'c', content: 'd' }])).toBe('b');
  expect(questionOf([])).toBe('');
});
