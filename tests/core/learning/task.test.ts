import { expect, test } from 'vitest';

import { parseTasks, taskSetHash } from '../../../src/core/learning/task.js';

const line = (value: unknown): string => JSON.stringify(value);

test('a prompt becomes one user message and the split defaults to train', () => {
  const [task] = parseTasks(line({ id: 'a', prompt: 'hi', reference: 42 }), 't.jsonl');
  expect(task).toEqual({
    id: 'a',
    messages: [{ role: 'user', content: 'hi' }],
    reference: '42',
    split: 'train',
    metadata: {},
  });
});

test('worked examples may hold tool calls and tool messages', () => {
  const messages = [
    { role: 'user', content: 'q' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'calculator', arguments: '{"expression":"1+1"}' } }],
    },
    { role: 'tool', tool_call_id: 'c', content: '2' },
    { role: 'assistant', content: 'The answer is 2.' },
    { role: 'user', content: 'q2' },
  ];
  expect(parseTasks(line({ id: 'a', messages }), 't.jsonl')[0]?.messages).toEqual(messages);
});

test('a message is what a request may have it be, with what an SDK wraps an answer in', () => {
  const echoed = { role: 'assistant', content: null, refusal: 'No.', annotations: [], reasoning_content: 'hm' };
  const messages = [{ role: 'user', content: 'q', name: null }, echoed, { role: 'user', content: 'again' }];
  expect(parseTasks(line({ id: 'a', messages }), 't.jsonl')[0]?.messages).toEqual([
    { role: 'user', content: 'q' },
    { role: 'assistant', content: 'No.', reasoning: 'hm' },
    { role: 'user', content: 'again' },
  ]);
});

test.each([
  ['{"id": "a", "prompt": "x"', /t\.jsonl line 2: not JSON/],
  [line({ id: 'a' }), /line 2, field "messages": exactly one of/],
  [line({ prompt: 'x' }), /line 2, field "id"/],
  [line({ id: 'a', prompt: 'x', split: 'test' }), /line 2, field "split"/],
  [line({ id: 'a', prompt: 'x', refrence: '1' }), /line 2, field "refrence"/],
  [line({ id: 'a', messages: [{ role: 'robot', content: 'x' }] }), /line 2, field "messages\.0\.role"/],
  [
    line({ id: 'a', messages: [{ role: 'user', content: [{ type: 'text' }] }] }),
    /line 2, field "messages\.0\.content\.0\.text": a part of type "text" needs a "text" \(it is missing\)/,
  ],
  [line({ id: 'first', prompt: 'x' }), /line 2, field "id": "first" was used on line 1/],
])('a bad line is named with its field: %s', (bad, message) => {
  expect(() => parseTasks(`${line({ id: 'first', prompt: 'x' })}\n${bad}`, 't.jsonl')).toThrow(message);
});

test('a file without tasks is refused', () => {
  expect(() => parseTasks('\n\n', 't.jsonl')).toThrow(/no tasks in it/);
});

test('the identity of a task set changes with content and order', () => {
  const a = parseTasks(`${line({ id: 'a', prompt: 'x' })}\n${line({ id: 'b', prompt: 'y' })}`, 't');
  expect(taskSetHash(a)).not.toBe(taskSetHash([...a].reverse()));
  expect(taskSetHash(a)).toBe(taskSetHash(structuredClone(a)));
});
