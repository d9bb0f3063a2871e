import { expect, test } from 'vitest';

import { capOf, parseTasks, taskSetHash } from '../../../src/core/learning/task.js';

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
  [line({ id: '', prompt: 'x' }), /line 2, field "id"/],
  ['[]', /line 2, field "the line": it must be one JSON object/],
  ['"text"', /line 2, field "the line"/],
  [
    line({ prompt: 'x', tools: ['calculatr'] }),
    /line 2, field "tools\.0": there is no server tool "calculatr".*"calculator"/,
  ],
  [line({ prompt: 'x', reference: '' }), /line 2, field "reference": it holds no answer/],
  [line({ prompt: 'x', reference: ' \n' }), /line 2, field "reference": it holds no answer/],
  [line({ prompt: 'x', reference: '?!' }), /line 2, field "reference": it holds no answer/],
  [line({ prompt: 'x', reference: null }), /line 2, field "reference": it must be a text or a number/],
  [line({ prompt: 'x', reference: {} }), /line 2, field "reference": it must be a text or a number/],
  [line({ prompt: 'x', reference: [] }), /line 2, field "reference": it lists no answer/],
  [line({ prompt: 'x', reference: ['a', ''] }), /line 2, field "reference\.1": it holds no answer/],
  [line({ prompt: 'x', answers: ['a', {}] }), /line 2, field "answers\.1"/],
  [line({ prompt: 'x', reference: 'a', answers: ['a'] }), /line 2, field "answers": only one of/],
  [line({ question: 'q' }), /line 2, field "answer": a question needs one of/],
  [line({ question: ' ', answer: 'a' }), /line 2, field "question": is empty/],
  [line({ question: 'q', answer: 'It is so.\n####  ' }), /line 2, field "answer": it holds no answer/],
  [line({ id: 'a', prompt: 'x', split: 'test' }), /line 2, field "split"/],
  [line({ id: 'a', prompt: 'x', refrence: '1' }), /line 2, field "refrence"/],
  [line({ id: 'a', messages: [{ role: 'robot', content: 'x' }] }), /line 2, field "messages\.0\.role"/],
  [
    line({ id: 'a', messages: [{ role: 'user', content: [{ type: 'text' }] }] }),
    /line 2, field "messages\.0\.content\.0\.text": a part of type "text" needs a "text" \(it is missing\)/,
  ],
  [line({ id: 'first', prompt: 'x' }), /line 2, field "id": "first" was used on line 1/],
])('a bad line is named with its field: %s', (bad, message) => {
  const tools = { has: (name: string) => name === 'calculator', names: ['calculator'] };
  expect(() => parseTasks(`${line({ id: 'first', prompt: 'x' })}\n${bad}`, 't.jsonl', tools)).toThrow(message);
});

test('a file without tasks is refused', () => {
  expect(() => parseTasks('\n\n', 't.jsonl')).toThrow(/no tasks in it/);
});

test('the identity of a task set changes with content and order', () => {
  const a = parseTasks(`${line({ id: 'a', prompt: 'x' })}\n${line({ id: 'b', prompt: 'y' })}`, 't');
  expect(taskSetHash(a)).not.toBe(taskSetHash([...a].reverse()));
  expect(taskSetHash(a)).toBe(taskSetHash(structuredClone(a)));
});

const only = (row: unknown): unknown => parseTasks(line(row), 't')[0];

test.each([
  ['Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72', '72'],
  ['#### 1,234', '1234'],
  ['#### -2,000,000.50', '-2000000.50'],
  ['#### $1,080', '1080'],
  ['#### 5.', '5'],
  ['first #### 3\n#### 12 apples', '12 apples'],
  ['72', '72'],
])('a row of GSM8K has its answer behind the marks: %s', (answer, reference) => {
  expect(only({ question: 'How many?', answer })).toMatchObject({
    id: expect.stringMatching(/^task-[0-9a-f]{16}$/) as string,
    messages: [{ role: 'user', content: 'How many?' }],
    reference,
    split: 'train',
  });
});

test('a row of HotPotQA keeps its id, and its other columns as metadata', () => {
  const row = {
    _id: '5a8b57f25542995d1e6f1371',
    question: 'Were both from the same country?',
    answer: 'yes',
    type: 'comparison',
    level: 'hard',
    supporting_facts: [['Scott Derrickson', 0]],
    context: [['Scott Derrickson', ['He is a director.']]],
  };
  const { _id: id, question: _, answer: reference, ...metadata } = row;
  expect(only(row)).toMatchObject({ id, reference, metadata });
  expect(only({ id: 7, question: 'q', answer: 'a', split: 'validation' })).toMatchObject({
    id: '7',
    split: 'train',
    metadata: { split: 'validation' },
  });
  expect(only({ question: 'q', answer: 'a', split: 'heldout' })).toMatchObject({ split: 'heldout' });
});

test.each([
  [{ prompt: 'q', reference: ['391', 'three hundred'] }, ['391', 'three hundred']],
  [{ prompt: 'q', reference: [391, '391'] }, '391'],
  [{ prompt: 'q', answers: ['UK', 'Britain'] }, ['UK', 'Britain']],
  [{ question: 'q', answers: ['UK', 'Britain'] }, ['UK', 'Britain']],
  [{ question: 'q', answer: ['UK', 'Britain'] }, ['UK', 'Britain']],
  [{ question: 'q', golden_answers: ['UK'] }, 'UK'],
  [{ question: 'q', answers: { text: ['UK', 'Britain', 'UK'], answer_start: [1, 2, 3] } }, ['UK', 'Britain']],
  [{ question: 'q', answer: { value: 'UK', aliases: ['Britain'], type: 'x' } }, ['UK', 'Britain']],
  [{ problem: 'q', answer: 42, solution: 'so' }, '42'],
  [{ question: 'q', answer: true }, ['yes', 'true']],
])('any of several answers may be right: %j', (row, reference) => {
  expect(only(row)).toMatchObject({ reference });
});

test('an id that is missing is made of what the task says, and is the same every time', () => {
  const rows = [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'a' }, { prompt: 'a', reference: 1 }].map(line).join('\n');
  const ids = parseTasks(rows, 't').map((task) => task.id);
  expect(new Set(ids).size).toBe(4);
  expect(ids[2]).toBe(`${ids[0] ?? ''}-2`);
  expect(parseTasks(rows, 'another').map((task) => task.id)).toEqual(ids);
});

test('a file may begin with a mark, end its lines in any way and be one JSON list', () => {
  const rows = [
    { id: 'a', prompt: 'x' },
    { id: 'b', prompt: 'y' },
  ];
  const tasks = parseTasks(rows.map(line).join('\n'), 't');
  for (const text of [
    `\uFEFF${rows.map(line).join('\r\n')}\r\n`,
    rows.map(line).join('\r'),
    JSON.stringify(rows),
    `\uFEFF${JSON.stringify(rows, null, 2)}\n`,
  ])
    expect(parseTasks(text, 't')).toEqual(tasks);
  expect(() => parseTasks(JSON.stringify([rows[0], { id: 'b' }]), 't.json')).toThrow(
    /t\.json entry 2, field "messages"/,
  );
  expect(() => parseTasks('[{"prompt": "x"},', 't.json')).toThrow(/t\.json: it begins as a JSON list and is not JSON/);
  expect(() => parseTasks('[]', 't.json')).toThrow(/no tasks in it/);
});

test('a task may say how many steps its answer takes at most, which is a part of what it is', () => {
  const list = parseTasks(
    '{"prompt": "q", "id": "a", "max_steps": 3, "metadata": {"family": "f"}}\n{"prompt": "q", "id": "b"}',
    'f',
  );
  const [capped] = list;
  expect(capped?.metadata).toEqual({ family: 'f', max_steps: 3 });
  expect(list.map(capOf)).toEqual([3, undefined]);
  expect(taskSetHash(list)).not.toBe(taskSetHash(list.map((task) => ({ ...task, metadata: {} }))));
  expect(() => parseTasks('{"prompt": "q", "max_steps": 0}', 'f')).toThrow('line 1, field "max_steps"');
});
