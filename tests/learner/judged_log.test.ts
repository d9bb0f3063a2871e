/** Judging over real rows: what a judge that is away, or a process that stops, leaves behind. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { declaredJudges } from '../../src/core/learning/deciding.js';
import type { Judge } from '../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { rewardOf } from '../../src/judge/decide.js';
import { type JudgeOfOne, oneByOne } from '../../src/judge/one_by_one.js';
import { generate } from '../../src/learner/generating.js';
import { judgeLog } from '../../src/learner/judging.js';
import { learningStore } from '../../src/store/clock/open.js';
import { verdictsOf } from '../../src/store/learning/verdicts.js';
import { addFeedback } from '../../src/store/read/feedback.js';
import { bench, type Bench, sum, tasks } from './bench.js';

let open: Bench;
let steps: readonly string[];
beforeEach(async () => {
  open = await bench();
  const { reference: _, ...unanswered } = sum('a', 11, 22);
  await generate(open.learner, tasks(open, [unanswered]), 1, 0);
  steps = open.store.sqlite
    .prepare<[], { id: string }>('SELECT id FROM steps ORDER BY seq')
    .all()
    .map(({ id }) => id);
});
afterEach(() => open.close());

const count = (table: string): number =>
  (open.store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
const rewards = (): readonly (number | undefined)[] => {
  const verdicts = verdictsOf(open.store.db, 'step', steps);
  return steps.map((id) => rewardOf(verdicts.get(id) ?? [], DECLARED)?.value);
};
const goods = (): unknown =>
  steps.map((id) => open.store.sqlite.prepare('SELECT judge, good FROM decided WHERE subject_id = ?').get(id));

const REWARDS = ['model', 'reference'];
const DECLARED = declaredJudges({
  rewards: REWARDS,
  configured: [{ name: 'model', kind: 'model' }],
  calibrated: new Set(['model']),
});
const model = (judge: JudgeOfOne): Judge => ({ name: 'model', version: '1', kind: 'model', judge: oneByOne(judge) });

test('a judge is shown what users have said of a logged step by then', async () => {
  const { responseId } = open.store.sqlite
    .prepare<[string], { responseId: string }>('SELECT response_id AS responseId FROM steps WHERE id = ?')
    .get(steps.at(-1) ?? '') ?? { responseId: '' };
  addFeedback(open.store.db, { responseId, keyId: '', within: undefined, value: -1, comment: 'too short' });
  const shown = new Map<string, string | undefined>();
  const reader = model((subject) => {
    shown.set(`${subject.kind} ${subject.id}`, subject.feedback);
    return { kind: 'absent', reason: '' };
  });
  await judgeLog({ ...open.learner, declared: DECLARED, judges: [reader] });
  expect([...shown]).toEqual([
    [`step ${steps[0] ?? ''}`, 'rated bad, the whole answer that it is a part of\ncomment: too short'],
    [`step ${steps[1] ?? ''}`, 'rated bad\ncomment: too short'],
    [`response ${responseId}`, 'rated bad\ncomment: too short'],
  ]);
});

test('what a judge was away for has no reward, and nobody after it decides, until it is back', async () => {
  let away = true;
  const judges = [
    model(() =>
      away
        ? Promise.reject(new Error('503'))
        : Promise.resolve({ kind: 'verdict', score: 0.8, good: true, rationale: 'yes' }),
    ),
    ...open.learner.judges,
  ];
  const rows = learningStore(open.store.db, GYRE_POLICY, DECLARED);
  const learner = { ...open.learner, rows, declared: DECLARED, judges };
  expect(steps).toHaveLength(2);
  expect(await judgeLog(learner)).toMatchObject({ judge_faults: 3 });
  expect(goods()).toEqual(steps.map(() => ({ judge: null, good: null })));
  expect(rewards()).toEqual([undefined, undefined]);
  away = false;
  expect(await judgeLog(learner), 'it is not due yet').toEqual({ judged: 0 });
  open.store.sqlite.exec('UPDATE judge_attempts SET due_at = 0');
  expect(await judgeLog(learner)).toEqual({ judged: 3 });
  expect(goods()).toEqual(steps.map(() => ({ judge: 'model', good: 1 })));
  expect(rewards()).toEqual([0.8, 0.8]);
  expect(count('judge_attempts')).toBe(0);
});

test('a process that is stopped while it judges leaves no row, and the next one judges all of it', async () => {
  const stopping = new AbortController();
  const stops = model((_, signal) => {
    stopping.abort(new Error('SIGTERM'));
    return Promise.reject(signal.reason as Error);
  });
  const judges = [...open.learner.judges, stops];
  await expect(judgeLog({ ...open.learner, judges, signal: stopping.signal })).rejects.toThrow('SIGTERM');
  for (const table of ['verdicts', 'decided', 'judge_attempts', 'judge_marks']) expect(count(table), table).toBe(0);
  await judgeLog(open.learner);
  expect(goods()).toMatchObject([{ good: 1 }, { good: 1 }]);
});

test('without a reference and a model nothing has a reward, whatever the rules say of its form', async () => {
  expect(await judgeLog(open.learner)).toEqual({ judged: 7 });
  expect(goods()).toEqual([
    { judge: 'well_formed', good: 1 },
    { judge: 'follows_observation', good: 1 },
  ]);
  expect(rewards()).toEqual([undefined, undefined]);
  expect(open.store.sqlite.prepare('SELECT DISTINCT gradable FROM decided').all()).toEqual([{ gradable: 0 }]);
});
