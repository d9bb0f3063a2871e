/** Users' ratings as verdicts of the judge `feedback`. */
import { expect, test } from 'vitest';

import { loggedExamples } from '../../../src/batch/logged.js';
import { rewardOf } from '../../../src/judge/decide.js';
import { hearEarlier } from '../../../src/store/labels/ratings.js';
import { saveJudged, verdictsOf } from '../../../src/store/learning/verdicts.js';
import { verify } from '../../../src/store/proof/verify.js';
import { addFeedback, type NewFeedback } from '../../../src/store/read/feedback.js';
import { stateOf } from '../../../src/store/read/state.js';
import { answer, call, opened, type Opened, opening, user } from '../fixture.js';

async function twoSteps(o: Opened, more: Parameters<typeof opening>[1] = {}) {
  const answered = await answer(o.log, opening([user('q')], more), [
    { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }], prompt: [1], ids: [2] },
    { text: 'It is 2.', prompt: [1, 2, 3], ids: [4] },
  ]);
  const [first, last] = answered.steps.map(({ id }) => id) as [string, string];
  return { first, last, responseId: answered.opening.responseId };
}

const rate = (o: Opened, responseId: string, more: Partial<NewFeedback>) =>
  addFeedback(o.store.db, { responseId, keyId: '', within: undefined, ...more });

const word = (o: Opened, id: string, kind: 'step' | 'response' = 'step') => {
  const row = o.store.sqlite
    .prepare<[string, string], { good: 0 | 1 | null; judge: string | null; gradable: 0 | 1 }>(
      'SELECT judge, good, gradable FROM decided WHERE subject_kind = ? AND subject_id = ?',
    )
    .get(kind, id);
  return row === undefined ? undefined : [row.judge, row.good, row.gradable];
};

test('a thumb is a verdict on the steps of the response and on its answer, and opens no state to drawing', async () => {
  const o = opened();
  const { first, last, responseId } = await twoSteps(o);
  rate(o, responseId, { value: 1 });
  expect(word(o, first)).toEqual(['feedback', 1, 0]);
  expect(word(o, last)).toEqual(['feedback', 1, 0]);
  expect(word(o, responseId, 'response')).toEqual(['feedback', 1, 0]);
  expect(verify(o.store.db).problems).toEqual([]);
});

test('a thumb that is turned round replaces what it said, again and again', async () => {
  const o = opened();
  const { last, responseId } = await twoSteps(o);
  const rows: (string | undefined)[] = [];
  for (const value of [1, -1, 1, 1, -1]) {
    rows.push(rate(o, responseId, { value })?.id);
    expect(word(o, last)?.[1]).toBe(value > 0 ? 1 : 0);
  }
  // The same once more is no row of its own.
  expect(new Set(rows).size).toBe(4);
  expect(verify(o.store.db).problems).toEqual([]);
});

test('it rewards the recorded action where no judge before it could tell', async () => {
  const o = opened();
  const [bad, good, judged] = [await twoSteps(o), await twoSteps(o), await twoSteps(o)];
  rate(o, bad.responseId, { value: -1 });
  rate(o, good.responseId, { value: 1 });
  rate(o, judged.responseId, { value: 1 });
  saveJudged(o.store.db, {
    verdicts: [
      {
        id: 'vrd-r',
        subjectKind: 'step',
        subjectId: judged.last,
        judge: 'reference',
        judgeVersion: '4',
        score: 0,
        good: false,
        rationale: '',
        createdAt: 1,
      },
    ],
    faults: [],
  });
  const said = verdictsOf(o.store.db, 'step', [bad.last, good.last, judged.last]);
  const reward = (id: string) => rewardOf(said.get(id) ?? [])?.value;
  expect([bad.last, good.last, judged.last].map(reward)).toEqual([0, 1, 0]);
  const states = [bad.last, good.last].flatMap((id) => stateOf(o.store.db, id) ?? []);
  const { examples } = loggedExamples(states, 'logged', reward);
  expect(examples.map(({ stepId, advantage }) => [stepId, advantage])).toEqual([
    [bad.last, -0.5],
    [good.last, 0.5],
  ]);
});

test('a rating of one step is about that one alone', async () => {
  const o = opened();
  const { first, last, responseId } = await twoSteps(o);
  rate(o, responseId, { value: -1, step: 0 });
  expect([word(o, first)?.[1], word(o, last)]).toEqual([0, undefined]);
});

test('of what was asked without consent nothing is said, though the rating is kept', async () => {
  const o = opened();
  const { last, responseId } = await twoSteps(o, { asker: { keyId: '', consent: false } });
  expect(rate(o, responseId, { value: 1 })).toMatchObject({ value: 1 });
  expect(word(o, last)).toBeUndefined();
});

test('a demonstration alone, or a rating in the middle, is no word', async () => {
  const o = opened();
  const { last, responseId } = await twoSteps(o);
  rate(o, responseId, { demonstration: 'It is two.' });
  expect(word(o, last)).toBeUndefined();
  rate(o, responseId, { value: 0 });
  expect(word(o, last)).toEqual([null, null, 0]);
});

test('ratings of before there were verdicts of them are heard once, a few at a time', async () => {
  const o = opened();
  const all = [];
  for (let at = 0; at < 130; at += 1) all.push(await twoSteps(o));
  for (const [at, { responseId }] of all.entries()) rate(o, responseId, { value: at % 2 === 0 ? 1 : -1 });
  // As an earlier build left it.
  o.store.sqlite.exec(`DELETE FROM verdicts; DELETE FROM decided`);
  let calls = 1;
  while (hearEarlier(o.store.db)) calls += 1;
  expect(calls).toBe(2);
  expect(all.map(({ last }) => word(o, last)?.[1])).toEqual(all.map((_, at) => (at % 2 === 0 ? 1 : 0)));
  const count = () => o.store.sqlite.prepare('SELECT count(*) AS n FROM verdicts').get();
  const before = count();
  expect(hearEarlier(o.store.db)).toBe(false);
  expect(count()).toEqual(before);
});
