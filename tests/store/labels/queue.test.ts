/** Which steps people are asked to label. */
import { expect, test } from 'vitest';

import type { Verdict } from '../../../src/core/learning/judging.js';
import { labelQueue } from '../../../src/store/clock/label_queue.js';
import { addLabels } from '../../../src/store/labels/labels.js';
import { queued } from '../../../src/store/labels/queue.js';
import { saveTasks } from '../../../src/store/learning/tasks.js';
import { saveJudged } from '../../../src/store/learning/verdicts.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { Random } from '../../../scripts/chaos/random.js';
import { answer, call, opened, type Opened, opening, user } from '../fixture.js';

let made = 0;
const says = (subjectId: string, judge: string, score: number, more: Partial<Verdict> = {}): Verdict => ({
  id: `vrd-${String((made += 1)).padStart(6, '0')}`,
  subjectKind: 'step',
  subjectId,
  judge,
  judgeVersion: String(made),
  score,
  good: score >= 0.5,
  rationale: '',
  createdAt: made,
  ...more,
});
const seeded = (seed: number): (() => number) => new Random(seed).next;
/** Never by chance. */
const chosen = (): number => 0.999;

async function one(o: Opened, question: string, more: Parameters<typeof opening>[1] = {}): Promise<string> {
  return (await answer(o.log, opening([user(question)], more), [{ text: 'an answer' }])).steps[0]?.id ?? '';
}

test('what a user says against a judge, what is disputed and what is unsure come in turn', async () => {
  const o = opened();
  const sure: string[] = [];
  for (let at = 0; at < 30; at += 1) sure.push(await one(o, 'the same words'));
  const rated = await answer(o.log, opening([user('the same words')]), [{ text: 'rated' }]);
  const [disputed, unsure] = [await one(o, 'the same words'), await one(o, 'the same words')];
  const against = rated.steps[0]?.id ?? '';
  saveJudged(o.store.db, {
    verdicts: [
      ...sure.map((id) => says(id, 'reference', 1)),
      says(against, 'reference', 0),
      says(disputed, 'reference', 1),
      says(disputed, 'critic', 0.02),
      says(unsure, 'critic', 0.52),
    ],
    faults: [],
  });
  addFeedback(o.store.db, { responseId: rated.opening.responseId, keyId: '', within: undefined, value: 1 });
  expect(queued(o.store.db, 3, chosen).map(({ id }) => id)).toEqual([against, disputed, unsure]);
});

test('a tenth is drawn by chance', async () => {
  const o = opened();
  const ids: string[] = [];
  for (let at = 0; at < 60; at += 1) ids.push(await one(o, 'the same words'));
  const doubted = new Set(ids.slice(0, 30));
  saveJudged(o.store.db, {
    verdicts: ids.map((id) => says(id, 'critic', doubted.has(id) ? 0.5 : 1)),
    faults: [],
  });
  const random = seeded(7);
  let byChance = 0;
  for (let at = 0; at < 400; at += 1)
    byChance += queued(o.store.db, 1, random).filter(({ id }) => !doubted.has(id)).length;
  // Half of a tenth is of those that nobody doubts.
  expect(byChance).toBeGreaterThan(8);
  expect(byChance).toBeLessThan(40);
});

test('every kind of traffic is reached: tools, families of tasks, first words', async () => {
  const o = opened();
  saveTasks(o.store.db, [
    {
      id: 'hops-1',
      messages: [{ role: 'user', content: 'Who?' }],
      reference: 'x',
      split: 'train',
      tools: [],
      metadata: { family: 'hops' },
    },
  ]);
  for (let at = 0; at < 40; at += 1) await one(o, `Translate this into German: ${at}`);
  await one(o, 'Summarise the text.');
  await one(o, 'Who?', { taskId: 'hops-1' });
  await answer(o.log, opening([user('Translate and count')]), [
    { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }] },
    { text: 'two' },
  ]);
  const drawn = queued(o.store.db, 5, seeded(3));
  expect(new Set(drawn.map(({ cluster }) => cluster))).toEqual(
    new Set(['words translate this', 'words summarise the', 'task hops', 'tool calculator', 'words translate and']),
  );
});

test('what is labelled, held out, without consent, or a measurement is not asked; what was taken back is', async () => {
  const o = opened();
  const { db } = o.store;
  saveTasks(db, [
    {
      id: 'kept',
      messages: [{ role: 'user', content: 'Kept?' }],
      reference: 'x',
      split: 'heldout',
      tools: [],
      metadata: {},
    },
  ]);
  const [good, unsure, open] = [await one(o, 'a'), await one(o, 'b'), await one(o, 'c')];
  await one(o, 'Kept?', { taskId: 'kept' });
  await one(o, 'secret', { asker: { keyId: '', consent: false } });
  await one(o, 'measured', { origin: 'evaluate' });
  const [label] = addLabels(
    db,
    [
      { step_id: good, good: true },
      { step_id: unsure, good: null },
    ],
    '',
  );
  const asked = (): string[] => queued(db, 50, chosen).map(({ id }) => id);
  expect(asked()).toEqual([open]);
  addLabels(db, [{ withdraw: label?.id ?? '' }], '');
  expect(asked().sort()).toEqual([good, open].sort());
});

test('it shows the conversation, the action, what came after, and no verdict', async () => {
  const o = opened();
  const answered = await answer(o.log, opening([user('What is 1+1?')]), [
    { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }] },
    { text: 'It is 2.' },
  ]);
  saveJudged(o.store.db, { verdicts: [says(answered.steps[0]?.id ?? '', 'critic', 0.1)], faults: [] });
  const [step] = labelQueue(o.store.db, 50, chosen).filter(({ index }) => index === 0);
  expect(step).toMatchObject({
    step_id: answered.steps[0]?.id,
    messages: [{ role: 'user', content: 'What is 1+1?' }],
    tools: [{ name: 'calculator' }],
    action: { role: 'assistant', tool_calls: [{ function: { name: 'calculator' } }] },
    after: [{ role: 'tool', content: '2' }],
  });
  expect(JSON.stringify(step)).not.toMatch(/critic|verdict|score|0\.1/);
});

test('two steps of one conversation are asked only where there are no others', async () => {
  const o = opened();
  const conversations = new Map<string, string>();
  for (const at of [0, 1, 2]) {
    const { steps } = await answer(o.log, opening([user('how much')]), [
      { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }] },
      { text: 'two' },
    ]);
    for (const { id } of steps) conversations.set(id, String(at));
  }
  for (let seed = 0; seed < 10; seed += 1) {
    const three = queued(o.store.db, 3, seeded(seed)).map(({ id }) => conversations.get(id));
    expect(new Set(three).size).toBe(3);
  }
  expect(new Set(queued(o.store.db, 9, chosen).map(({ id }) => id))).toEqual(new Set(conversations.keys()));
});

test('what was done next counts against a judge as a user does, behind what users said', async () => {
  const o = opened();
  const sure: string[] = [];
  for (let at = 0; at < 20; at += 1) sure.push(await one(o, 'the same words'));
  const rated = await answer(o.log, opening([user('the same words')]), [{ text: 'rated' }]);
  const [corrected, praised] = [await one(o, 'the same words'), await one(o, 'the same words')];
  const against = rated.steps[0]?.id ?? '';
  saveJudged(o.store.db, {
    verdicts: [
      ...sure.flatMap((id) => [says(id, 'reference', 1), says(id, 'signals', 0.65, { confidence: 0.3 })]),
      ...[says(against, 'reference', 0), says(corrected, 'reference', 1), says(praised, 'reference', 0)],
      ...[says(corrected, 'signals', 0.2, { confidence: 0.6 }), says(praised, 'signals', 0.65, { confidence: 0.3 })],
    ],
    faults: [],
  });
  addFeedback(o.store.db, { responseId: rated.opening.responseId, keyId: '', within: undefined, value: 1 });
  expect(queued(o.store.db, 3, chosen).map(({ id }) => id)).toEqual([against, corrected, praised]);
});
