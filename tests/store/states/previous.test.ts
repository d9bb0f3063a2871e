/** What stands before a step is what its state was made by, whichever step was logged before it. */
import { expect, test } from 'vitest';

import { newId } from '../../../src/core/ids.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { ruleOf } from '../../../src/filter/filter.js';
import type { Store } from '../../../src/store/file/db.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { fold } from '../../../src/store/states/fold.js';
import { lookedAt } from '../../learner/counted.js';
import { action, answer, DONE, opened, opening, stepOf, user } from '../fixture.js';

const says = (store: Store, stepId: string | undefined, good: boolean): void =>
  saveVerdicts(store.db, [
    {
      ...{ id: newId('vrd'), subjectKind: 'step', subjectId: stepId ?? '', judge: 'reference', judgeVersion: '9' },
      ...{ score: Number(good), good, rationale: '', createdAt: 1 },
    },
  ]);
const TURN = { text: 'Well.', prompt: [1, 2], ids: [3] };
const reasons = (store: Store): string[] => lookedAt(store.db, 'prefix').map(({ reason }) => reason);

test('choices of one request are no earlier steps of each other', async () => {
  const { store, log } = opened();
  const recording = log.open(opening([user('Say it.')]));
  const steps = ['one', 'two', 'three'].map((text) =>
    stepOf(recording.messages, action(text, [], { promptTokenIds: [1, 2], tokenIds: [3], logprobs: [-1] })),
  );
  for (const step of steps) await recording.step(step, { role: 'assistant', content: step.action?.text ?? '' });
  await recording.finish(DONE);
  says(store, steps[0]?.id, false);
  expect(lookedAt(store.db, 'prefix').map(({ earlierGood, reason }) => [earlierGood, reason])).toEqual([
    [true, ''],
    [true, ''],
    [true, ''],
  ]);
});

test('what follows one of several choices follows that one only', async () => {
  const { store, log } = opened();
  const recording = log.open(opening([user('Say it.')]));
  const steps = ['one', 'two'].map((text) =>
    stepOf(recording.messages, action(text, [], { promptTokenIds: [1, 2], tokenIds: [3], logprobs: [-1] })),
  );
  for (const step of steps) await recording.step(step, { role: 'assistant', content: step.action?.text ?? '' });
  await recording.finish(DONE);
  says(store, steps[0]?.id, false);
  says(store, steps[1]?.id, true);
  for (const content of ['one', 'two'])
    await answer(log, opening([user('Say it.'), { role: 'assistant', content }, user('And then?')]), [TURN]);
  expect(reasons(store)).toEqual(['', '', 'filtered', '']);
});

test('the first step of a branch follows the step that it goes on from', async () => {
  const { store, log } = opened();
  const first = await answer(log, opening([user('one')]), [TURN]);
  const then = (content: string): Promise<unknown> =>
    answer(log, opening([user('one'), first.turn, user(content)]), [TURN]);
  await then('go on');
  await then('or else');
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM trajectories').get()).toEqual({ n: 2 });
  expect(reasons(store)).toEqual(['', 'unjudged', 'unjudged']);
  says(store, first.steps[0]?.id, true);
  expect(reasons(store)).toEqual(['', '', '']);
  says(store, first.steps[0]?.id, true);
  saveVerdicts(store.db, [
    {
      ...{ id: newId('vrd'), subjectKind: 'step', subjectId: first.steps[0]?.id ?? '', judge: 'person' },
      ...{ judgeVersion: '1', score: 0, good: false, rationale: '', createdAt: 2 },
    },
  ]);
  expect(reasons(store)).toEqual(['', 'filtered', 'filtered']);
});

test('an edited history follows what is left of it', async () => {
  const { store, log } = opened();
  const first = await answer(log, opening([user('one')]), [TURN]);
  const second = await answer(log, opening([user('one'), first.turn, user('two')]), [{ ...TURN, text: 'Hm.' }]);
  says(store, first.steps[0]?.id, true);
  says(store, second.steps[0]?.id, false);
  await answer(log, opening([user('one'), first.turn, user('two, I mean')]), [TURN]);
  expect(reasons(store)).toEqual(['', '', '']);
  await answer(log, opening([user('one'), first.turn, user('two'), second.turn, user('three')]), [TURN]);
  expect(reasons(store)).toEqual(['', '', '', 'filtered']);
});

test('words of another key are no earlier steps, and what is deleted is none any more', async () => {
  const { store, log } = opened();
  const asker = { keyId: 'ann', consent: true };
  const first = await answer(log, opening([user('one')], { asker }), [TURN]);
  says(store, first.steps[0]?.id, false);
  const again = [user('one'), first.turn, user('two')];
  await answer(log, opening(again, { asker: { keyId: 'bob', consent: true } }), [TURN]);
  await answer(log, opening(again, { asker }), [TURN]);
  await answer(log, opening([...again.slice(0, 2), user('or else')], { asker }), [TURN]);
  expect(reasons(store)).toEqual(['', '', 'filtered', 'filtered']);
  removeTrajectory(store.db, GYRE_POLICY, first.recording.trajectoryId);
  while (fold(store.db, GYRE_POLICY, ruleOf('prefix', 'resample', 0)));
  expect(reasons(store)).toEqual(['', '']);
});
