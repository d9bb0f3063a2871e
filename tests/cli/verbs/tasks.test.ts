/** `gyre tasks`, as the command line runs it: what it writes is a task file that the other verbs read. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

import { parseTasks } from '../../../src/core/learning/task.js';
import { gyre } from '../command.js';

const folder = mkdtempSync(join(tmpdir(), 'gyre-tasks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tasksIn = (file: string): ReturnType<typeof parseTasks> => parseTasks(readFileSync(file, 'utf8'), file);

test('makes a family with its documents, and says how to index them', async () => {
  const out = join(folder, 'which.jsonl');
  const { code, out: said } = await gyre('tasks', 'make', 'which-tool', '--n', '20', '--heldout', '10', '--out', out);
  expect(code).toBe(0);
  expect(tasksIn(out)).toHaveLength(30);
  expect(readdirSync(`${out}.documents`).sort()).toEqual(['people', 'places']);
  expect(said).toContain(`gyre index ${out}.documents/places --as places --about "towns,`);
  const indexed = await gyre(
    'index',
    join(`${out}.documents`, 'people'),
    '--as',
    'people',
    '--data',
    join(folder, 'data'),
  );
  expect(indexed.out).toContain('search_people finds it');
});

test('loads a published set, its passages as documents', async () => {
  const [from, out] = [join(folder, 'hotpot.json'), join(folder, 'hotpot.jsonl')];
  const row = { _id: 'x1', question: 'Which city?', answer: 'Rome', context: [['A/B', ['It is Rome.']]] };
  writeFileSync(from, JSON.stringify([row, { ...row, _id: 'x2' }]));
  const documents = join(folder, 'passages');
  const args = ['tasks', 'load', 'hotpotqa', from, '--out', out, '--split', 'heldout', '--documents', documents];
  expect((await gyre(...args)).code).toBe(0);
  expect(tasksIn(out).map(({ id, reference, split, tools }) => [id, reference, split, tools])).toEqual([
    ['x1', 'Rome', 'heldout', ['search_documents']],
    ['x2', 'Rome', 'heldout', ['search_documents']],
  ]);
  expect(readdirSync(documents)).toHaveLength(1);
});

test('a set is judged as its paper counts where that is asked for, and the score says so', async () => {
  const [from, out, answers] = [join(folder, 'beer.json'), join(folder, 'beer.jsonl'), join(folder, 'beer.answers')];
  writeFileSync(from, JSON.stringify([{ id: 'a', question: 'Which city?', answers: ['Rome'] }]));
  writeFileSync(answers, '{"id": "a", "answer": "The answer is Rome."}\n');
  for (const [metric, right] of [
    ['exact_match', 0],
    ['f1', 0],
    [undefined, 1],
  ] as const) {
    const flags = metric === undefined ? [] : ['--metric', metric];
    expect((await gyre('tasks', 'load', 'beerqa', from, '--out', out, ...flags)).code).toBe(0);
    expect(tasksIn(out)[0]?.metadata['metric']).toBe(metric);
    const { out: said } = await gyre('tasks', 'score', out, '--answers', answers, '--json');
    expect(JSON.parse(said)).toMatchObject({ right: { accuracy: right } });
  }
});

test('scores answers by the rule and by the words of the papers; unanswered is wrong', async () => {
  const [file, answers] = [join(folder, 'asked.jsonl'), join(folder, 'answers.jsonl')];
  const asked = ['a', 'b', 'c'].map((id) => ({ id, prompt: 'Which city?', reference: 'Rome' }));
  writeFileSync(file, asked.map((row) => JSON.stringify(row)).join('\n'));
  writeFileSync(answers, '{"id": "a", "answer": "Rome"}\n{"id": "b", "answer": "The answer is Rome."}\n');
  const { out } = await gyre('tasks', 'score', file, '--answers', answers, '--json');
  const said = JSON.parse(out) as Record<string, number> & { right: { accuracy: number } };
  expect([said['tasks'], said['unanswered'], said['exact_match'], said['f1']]).toEqual([3, 1, 1 / 3, 0.5]);
  expect(said.right.accuracy).toBeCloseTo(2 / 3, 10);
});

test.each([
  [['tasks', 'make', 'lookup-4', '--out', 'x'], 'there is no family "lookup-4"'],
  [['tasks', 'make', 'lookup-2'], '--out FILE'],
  [['tasks', 'make', 'lookup-2', '--out', 'x', '--n', 'many'], '--n is "many"'],
  [['tasks', 'load', 'gsm8k', '/nowhere/at/all', '--out', 'x'], 'cannot be read'],
  [['tasks', 'mend'], 'list, make, load or score'],
  [['tasks', 'load', 'gsm8k', import.meta.filename, '--out', 'x', '--metric', 'bleu'], '--metric is "bleu"'],
  [['index', '.', '--about', 'x'], '--as NAME'],
])('%j says what is wrong', async (args, says) => {
  const { code, err } = await gyre(...args, '--data', join(folder, 'none'));
  expect([code, err]).toEqual([1, expect.stringContaining(says)]);
});

test('lists families and formats', async () => {
  const { out } = await gyre('tasks', 'list');
  for (const name of ['calculator-3', 'lookup-3', 'mixed', 'which-tool', 'beerqa', 'cofca'])
    expect(out).toContain(name);
});
