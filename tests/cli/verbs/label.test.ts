/** `gyre label` on a data folder: one label, a file of them, and the queue by keys that come from standard input. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { labelsOf, listLabels } from '../../../src/store/labels/labels.js';
import type { LabelView } from '../../../src/core/judging/labels.js';
import { openStore } from '../../../src/store/file/db.js';
import { openLog } from '../../../src/store/log/log.js';
import { answer, call, opening, temporaryFolder, user } from '../../store/fixture.js';
import { gyre, MAIN } from '../command.js';

async function folderWith(questions: readonly string[]) {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const log = openLog(store);
  const all = [];
  for (const question of questions)
    all.push(
      await answer(log, opening([user(question)]), [
        { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }] },
        { text: `It is 2: ${question}` },
      ]),
    );
  store.close();
  return { folder, all };
}

function labelsIn(folder: string): readonly LabelView[] {
  const store = openStore(folder);
  try {
    return [...listLabels(store.db, { limit: '200' }).data].reverse();
  } finally {
    store.close();
  }
}

/** The queue, with these keys typed. */
const typed = (folder: string, keys: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, 'label', '--data', folder, '--json', ...args]);
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    child.on('close', (code) => resolve({ code: code ?? 1, out, err }));
    child.stdin.end(keys);
  });

test('one label by flags, one on a conversation, and one that takes the first back', async () => {
  const { folder, all } = await folderWith(['q']);
  const step = all[0]?.steps[0]?.id ?? '';
  const run = (...args: string[]) => gyre('label', '--data', folder, ...args);
  const given = await run('--step', step, '--bad', '--comment', 'no', '--demonstration', 'It is two.');
  expect(given.out).toMatch(/^lbl-\w+: step step-\w+ is bad\n$/);
  const [label] = labelsIn(folder);
  expect(label).toMatchObject({
    good: false,
    comment: 'no',
    demonstration: { content: 'It is two.' },
    who: expect.stringMatching(/^console/) as string,
  });
  expect((await run('--trajectory', all[0]?.recording.trajectoryId ?? '', '--unsure')).code).toBe(0);
  expect((await run('--withdraw', label?.id ?? '')).out).toMatch(/is taken back/);
  expect(labelsIn(folder).map(({ good, withdraws }) => [good, withdraws !== null])).toEqual([
    [false, false],
    [null, false],
    [null, true],
  ]);
});

test('flags that say too little or too much are told so', async () => {
  const { folder } = await folderWith(['q']);
  const run = (...args: string[]) => gyre('label', '--data', folder, ...args);
  expect(await run('--good')).toMatchObject({ code: 1, err: expect.stringMatching(/which step\?/) as string });
  expect(await run('--step', 'x', '--good', '--bad')).toMatchObject({ code: 1 });
  expect((await run('--step', 'step-none', '--good')).err).toMatch(/There is no step "step-none"/);
});

test('a file of labels is taken whole or not at all, and the line at fault is named', async () => {
  const { folder, all } = await folderWith(['q', 'r']);
  const [first, second] = all.map(({ steps }) => steps[0]?.id);
  const file = join(folder, 'labels.jsonl');
  const written = (...lines: unknown[]) =>
    writeFileSync(
      file,
      `${lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')}\n`,
    );
  written({ step_id: first, good: true }, { step_id: second });
  expect((await gyre('label', '--data', folder, '--file', file)).err).toMatch(/labels\.jsonl:2: "good"/);
  written({ step_id: first, good: true }, '{"step_id":');
  expect((await gyre('label', '--data', folder, '--file', file)).err).toMatch(/labels\.jsonl:2 is no JSON/);
  expect(labelsIn(folder)).toEqual([]);
  written({ step_id: first, good: true }, '', { step_id: second, good: false });
  expect((await gyre('label', '--data', folder, '--file', file)).code).toBe(0);
  expect(labelsIn(folder).map(({ good }) => good)).toEqual([true, false]);
});

test('the queue shows a step and takes one key for a label; undo, skip and comments are keys, too', async () => {
  const { folder, all } = await folderWith(['first question', 'second question', 'third question']);
  const shown = await typed(folder, 'gcit is wrong\nbunsxgq');
  expect(shown.code).toBe(0);
  // A good one; a bad one with a comment; that one taken back, then nobody can tell; one skipped; a key that is none.
  expect(JSON.parse(shown.out)).toEqual({ good: 2, bad: 0, unsure: 1, skipped: 1, taken_back: 1 });
  const labels = labelsIn(folder);
  expect(labels.map(({ good, comment, withdraws }) => [good, comment, withdraws !== null])).toEqual([
    [true, null, false],
    [false, 'it is wrong', false],
    [null, null, true],
    [null, null, false],
    [true, null, false],
  ]);
  expect(shown.err).toMatch(/tools: calculator/);
  expect(shown.err).toMatch(/user: first question/);
  expect(shown.err).toMatch(/>>> action: /);
  expect(all).toHaveLength(3);
});

test('it ends when nothing is left, and after so many labels', async () => {
  const { folder } = await folderWith(['q']);
  expect(JSON.parse((await typed(folder, 'gggg', '--count', '1')).out)).toMatchObject({ good: 1 });
  const rest = await typed(folder, 'gggg');
  expect(JSON.parse(rest.out)).toMatchObject({ good: 1 });
  expect(rest.err).toMatch(/nothing is left to label/);
});

test('an export has the labels of what it exports', async () => {
  const { folder, all } = await folderWith(['q']);
  const step = all[0]?.steps[1]?.id ?? '';
  await gyre('label', '--data', folder, '--step', step, '--good', '--comment', 'right');
  const { out } = await gyre('export', '--data', folder);
  expect(JSON.parse(out)).toMatchObject({ labels: [{ step_id: step, good: true, comment: 'right' }] });
  const store = openStore(folder);
  expect(labelsOf(store.db, all[0]?.recording.trajectoryId ?? '')).toHaveLength(1);
  store.close();
});
