/** What is handed out to be judged, over a real log: once, in its order, and what could not be judged then later. */
import { expect, test } from 'vitest';

import { newId } from '../../../src/core/ids.js';
import type { Judged, JudgeRef, UnjudgedSlice, Verdict } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { unjudged } from '../../../src/store/clock/unjudged.js';
import { addKey, changeKey } from '../../../src/store/keys/keys.js';
import { saveJudged } from '../../../src/store/learning/verdicts.js';
import { removeTrajectory, withdrawResponse } from '../../../src/store/read/remove.js';
import { Pruner } from '../../../src/store/retention/prune.js';
import { answer, call, CALCULATOR, DONE, opened, type Opened, opening, stepOf, action, user } from '../fixture.js';

const JUDGES: readonly JudgeRef[] = [
  { name: 'reference', version: '5' },
  { name: 'well_formed', version: '1' },
];
const HOUR = 3_600_000;

const verdictOf = (subject: UnjudgedSlice['subjects'][number], judge: JudgeRef): Verdict => ({
  id: newId('vrd'),
  subjectKind: subject.kind,
  subjectId: subject.id,
  judge: judge.name,
  judgeVersion: judge.version,
  score: 1,
  good: true,
  rationale: '',
  createdAt: Date.now(),
});

/** What every judge that is asked says: good. */
const good = (slice: UnjudgedSlice, judges: readonly JudgeRef[]): Judged => ({
  verdicts: slice.subjects.flatMap((subject) =>
    judges.filter(({ name }) => subject.judges.includes(name)).map((judge) => verdictOf(subject, judge)),
  ),
  faults: [],
});

/** Judges all there is; returns what was handed out, slice by slice. */
function judgeAll({ store }: Opened, judges = JUDGES, limit = 100, now = Date.now()): string[][] {
  const handed: string[][] = [];
  for (;;) {
    const slice = unjudged(store.db, judges, limit, now);
    if (slice === undefined) return handed;
    handed.push(slice.subjects.map(({ kind, id, judges: names }) => `${kind} ${id} ${names.join()}`));
    saveJudged(store.db, good(slice, judges), slice.turn, { now });
    if (handed.length > 50) throw new Error('it does not end');
  }
}

const say = async (
  { log }: Opened,
  words: string,
  keyId = '',
): Promise<{ step: string; response: string; id: string }> => {
  const {
    steps,
    opening: asked,
    recording,
  } = await answer(log, opening([user(words)], { asker: { keyId, consent: true } }), [{ text: `re ${words}` }]);
  return { step: steps[0]?.id ?? '', response: asked.responseId, id: recording.trajectoryId };
};

test('each step is handed out once, with the response it ends, for all judges at a time', async () => {
  const open = opened();
  const [a, b] = [await say(open, 'a'), await say(open, 'b')];
  const both = 'reference,well_formed';
  expect(judgeAll(open, JUDGES, 1)).toEqual([
    [`step ${a.step} ${both}`, `response ${a.response} ${both}`],
    [`step ${b.step} ${both}`, `response ${b.response} ${both}`],
  ]);
  expect(judgeAll(open)).toEqual([]);
  const c = await say(open, 'c');
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([c.step, c.response]);
});

test('a judge whose version has changed has all of it before it, and the others nothing', async () => {
  const open = opened();
  await say(open, 'a');
  judgeAll(open);
  const changed = [JUDGES[0] as JudgeRef, { name: 'well_formed', version: '2' }];
  expect(judgeAll(open, changed).flat()).toEqual([
    expect.stringMatching(/^step .* well_formed$/),
    expect.stringMatching(/^response .* well_formed$/),
  ]);
  await say(open, 'b');
  expect(judgeAll(open, changed).flat()[0]).toMatch(/ reference,well_formed$/);
});

test('what was judged by an earlier build, which kept no marks, is not handed out again', async () => {
  const open = opened();
  const a = await say(open, 'a');
  judgeAll(open);
  open.store.sqlite.exec('DELETE FROM judge_marks');
  const b = await say(open, 'b');
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([b.step, b.response]);
  expect(a.step).not.toBe(b.step);
});

test('of a conversation each answer is an outcome of its own, and a step that calls a tool is none', async () => {
  const open = opened();
  const first = await answer(open.log, opening([user('6*7?')]), [
    { text: '', asks: [{ call: call('c1', '6*7'), gives: '42' }] },
    { text: '42' },
  ]);
  const second = await answer(open.log, opening([user('6*7?'), first.turn, user('sure?')]), [{ text: 'yes' }]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(
    judgeAll(open)
      .flat()
      .filter((line) => line.startsWith('response'))
      .map((line) => line.split(' ')[1]),
  ).toEqual([first.opening.responseId, second.opening.responseId]);
  expect(judgeAll(open)).toEqual([]);
});

test('of several choices none is the outcome, and each is a step', async () => {
  const open = opened();
  const asked = opening([user('q')]);
  const recording = open.log.open(asked);
  const kept = ['one', 'two', 'three'].map((text) => {
    const taken = action(text);
    return recording.step(stepOf(recording.messages, taken, { tools: [CALCULATOR] }), {
      role: 'assistant',
      content: text,
    });
  });
  kept.push(recording.finish(DONE));
  await Promise.all(kept);
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[0]),
  ).toEqual(['step', 'step', 'step']);
});

test('a response that has not ended is looked at again: soon while young, seldom when it never ends', async () => {
  const open = opened();
  const asked = opening([user('slow')]);
  const recording = open.log.open(asked);
  const step = stepOf(recording.messages, action('a'));
  expect(await recording.step(step, { role: 'assistant', content: 'a' })).toBe(true);
  const later = await say(open, 'later');
  const now = Date.now();
  expect(
    judgeAll(open, JUDGES, 100, now)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([later.step, later.response]);
  expect(judgeAll(open, JUDGES, 100, now + 4_000)).toEqual([]);
  // An hour on it has not ended: the next look is when it is twice as old.
  expect(judgeAll(open, JUDGES, 100, now + HOUR).flat()).toEqual([]);
  await recording.finish(DONE);
  expect(judgeAll(open, JUDGES, 100, now + 1.5 * HOUR)).toEqual([]);
  expect(
    judgeAll(open, JUDGES, 100, now + 2.1 * HOUR)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([step.id, asked.responseId]);
  expect(open.store.sqlite.prepare('SELECT count(*) AS n FROM late_steps').get()).toEqual({ n: 0 });
});

test('what a key withholds when it is its turn is judged when the key consents again', async () => {
  const open = opened();
  const { key } = addKey(open.store.db, { name: 'ann' });
  const own = await say(open, 'own', key.id);
  const other = await say(open, 'other');
  changeKey(open.store.db, key.id, { train: false });
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([other.step, other.response]);
  expect(judgeAll(open)).toEqual([]);
  changeKey(open.store.db, key.id, { train: true });
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([own.step, own.response]);
  expect(judgeAll(open)).toEqual([]);
});

test('what a client has deleted is no longer shown to any judge', async () => {
  const open = opened();
  const first = await answer(open.log, opening([user('q')]), [{ text: 'a' }]);
  const second = await answer(open.log, opening([user('q'), first.turn, user('more')]), [{ text: 'b' }]);
  withdrawResponse(open.store.db, first.opening.responseId, '');
  expect(new Set(judgeAll(open).flatMap((lines) => lines.map((line) => line.split(' ')[1])))).toEqual(
    new Set([second.steps[0]?.id, second.opening.responseId]),
  );
});

const failing = (slice: UnjudgedSlice, name: string): Judged => ({
  ...good(
    slice,
    JUDGES.filter((judge) => judge.name !== name),
  ),
  faults: slice.subjects
    .filter(({ judges }) => judges.includes(name))
    .map(({ kind, id, stepId }) => ({
      subjectKind: kind,
      subjectId: id,
      stepId,
      judge: name,
      judgeVersion: JUDGES.find((judge) => judge.name === name)?.version ?? '',
      reason: '503',
    })),
});

const decidedOf = ({ store }: Opened, step: string): unknown =>
  store.sqlite.prepare("SELECT judge, good FROM decided WHERE subject_kind = 'step' AND subject_id = ?").get(step);

test('what a judge failed at is asked again, later each time, and nobody after it decides meanwhile', async () => {
  const open = opened();
  const a = await say(open, 'a');
  let now = Date.now();
  const attempt = (): readonly string[] => {
    const slice = unjudged(open.store.db, JUDGES, 100, now);
    if (slice === undefined) return [];
    saveJudged(open.store.db, failing(slice, 'reference'), slice.turn, { now });
    return slice.subjects.map(({ kind, judges }) => `${kind} ${judges.join()}`);
  };
  expect(attempt()).toEqual(['step reference,well_formed', 'response reference,well_formed']);
  expect(decidedOf(open, a.step)).toEqual({ judge: null, good: null });
  const waits: number[] = [];
  for (let tries = 1; tries < 13; tries += 1) {
    expect(attempt()).toEqual([]);
    const { due } = open.store.sqlite.prepare('SELECT max(due_at) AS due FROM judge_attempts').get() as { due: number };
    waits.push((due - now) / 1000);
    now = due;
    expect(attempt()).toEqual(['step reference', 'response reference']);
  }
  expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
  expect(open.store.sqlite.prepare('SELECT DISTINCT tries, reason FROM judge_attempts').all()).toEqual([
    { tries: 13, reason: '503' },
  ]);
  now += HOUR;
  judgeAll(open, JUDGES, 100, now);
  expect(open.store.sqlite.prepare('SELECT count(*) AS n FROM judge_attempts').get()).toEqual({ n: 0 });
  expect(decidedOf(open, a.step)).toEqual({ judge: 'reference', good: 1 });
});

test('consent that is withdrawn before a judge is asked again keeps the step from it', async () => {
  const open = opened();
  const { key } = addKey(open.store.db, { name: 'ann' });
  const { step } = await say(open, 'a', key.id);
  const slice = unjudged(open.store.db, JUDGES, 100) as UnjudgedSlice;
  saveJudged(open.store.db, failing(slice, 'reference'), slice.turn);
  changeKey(open.store.db, key.id, { train: false });
  expect(judgeAll(open, JUDGES, 100, Date.now() + HOUR).flat()).toEqual([]);
  changeKey(open.store.db, key.id, { train: true });
  expect(judgeAll(open, JUDGES, 100, Date.now() + HOUR).flat()[0]).toBe(`step ${step} reference`);
});

const rows = ({ store }: Opened): unknown =>
  ['verdicts', 'decided', 'judge_attempts', 'late_steps'].map(
    (table) => (store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n,
  );

test.each(['deleted', 'pruned'])('nothing of judging stays of what is %s', async (how) => {
  const open = opened();
  const { key } = addKey(open.store.db, { name: 'ann' });
  const failed = await say(open, 'failed');
  const slice = unjudged(open.store.db, JUDGES, 100) as UnjudgedSlice;
  saveJudged(open.store.db, failing(slice, 'reference'), slice.turn);
  const withheld = await say(open, 'withheld', key.id);
  changeKey(open.store.db, key.id, { train: false });
  judgeAll(open);
  expect(rows(open)).toEqual([2, 2, 2, 1]);
  if (how === 'deleted') for (const { id } of [failed, withheld]) removeTrajectory(open.store.db, GYRE_POLICY, id);
  else {
    const pruner = new Pruner(open.store.db, { days: 1, keep: [] }, () => Date.now() + 100 * 24 * HOUR, true);
    while (pruner.slice() !== undefined);
  }
  expect(rows(open)).toEqual([0, 0, 0, 0]);
});

test('a step that is given the number of a deleted one is judged', async () => {
  const open = opened();
  await say(open, 'a');
  const newest = await say(open, 'b');
  judgeAll(open);
  removeTrajectory(open.store.db, GYRE_POLICY, newest.id);
  const next = await say(open, 'c');
  expect(open.store.sqlite.prepare('SELECT seq FROM steps WHERE id = ?').get(next.step)).toEqual({ seq: 2 });
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([next.step, next.response]);
});

test('one that is given it while the slice is judged is judged as well', async () => {
  const open = opened();
  const a = await say(open, 'a');
  const newest = await say(open, 'b');
  const slice = unjudged(open.store.db, JUDGES, 100) as UnjudgedSlice;
  removeTrajectory(open.store.db, GYRE_POLICY, newest.id);
  const next = await say(open, 'c');
  saveJudged(open.store.db, good(slice, JUDGES), slice.turn);
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([next.step, next.response]);
  expect(decidedOf(open, a.step)).toEqual({ judge: 'reference', good: 1 });
  expect(decidedOf(open, newest.step)).toBeUndefined();
});

test('where the newest is deleted while the slice is judged and nothing came after, the next is judged', async () => {
  const open = opened();
  await say(open, 'a');
  const newest = await say(open, 'b');
  const slice = unjudged(open.store.db, JUDGES, 100) as UnjudgedSlice;
  removeTrajectory(open.store.db, GYRE_POLICY, newest.id);
  saveJudged(open.store.db, good(slice, JUDGES), slice.turn);
  const next = await say(open, 'c');
  expect(
    judgeAll(open)
      .flat()
      .map((line) => line.split(' ')[1]),
  ).toEqual([next.step, next.response]);
});
