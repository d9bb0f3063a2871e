/** Labels as rows, and the verdicts of the judge `person` that they make. */
import { expect, test } from 'vitest';

import { declaredJudges } from '../../../src/core/learning/deciding.js';
import { GyreError } from '../../../src/core/errors.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { rewardOf } from '../../../src/judge/decide.js';
import { addLabels, labelsOf, listLabels } from '../../../src/store/labels/labels.js';
import { redecide } from '../../../src/store/learning/decided.js';
import { saveJudged, verdictsOf } from '../../../src/store/learning/verdicts.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory, withdrawResponse } from '../../../src/store/read/remove.js';
import { prepared } from '../../../src/store/file/db.js';
import { Choice } from '../../../src/store/retention/choose.js';
import { takeOut } from '../../../src/store/retention/take_out.js';
import { savePruning } from '../../../src/store/file/prunings.js';
import { addKey, changeKey } from '../../../src/store/keys/keys.js';
import { answer, call, opened, type Opened, opening, user } from '../fixture.js';

interface Decided {
  readonly judge: string | null;
  readonly good: 0 | 1 | null;
  readonly gradable: 0 | 1;
}

const decided = ({ store }: Opened, kind: 'step' | 'response', id: string): Decided | undefined =>
  store.sqlite
    .prepare<[string, string], Decided>(
      'SELECT judge, good, gradable FROM decided WHERE subject_kind = ? AND subject_id = ?',
    )
    .get(kind, id);

/** A call, then an answer. */
async function twoSteps(o: Opened, more: Parameters<typeof opening>[1] = {}) {
  const answered = await answer(o.log, opening([user('q')], more), [
    { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }] },
    { text: 'It is 2.' },
  ]);
  const [first, last] = answered.steps.map(({ id }) => id) as [string, string];
  return { first, last, responseId: answered.opening.responseId, trajectoryId: answered.recording.trajectoryId };
}

const reference = (stepId: string, good: boolean, at = 1) => ({
  id: `vrd-ref-${stepId}-${at}`,
  subjectKind: 'step' as const,
  subjectId: stepId,
  judge: 'reference',
  judgeVersion: String(at),
  score: Number(good),
  good,
  rationale: '',
  createdAt: at,
});

function fault(work: () => unknown): GyreError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof GyreError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

test('a label is a verdict of a person on the step, and overrules every judge', async () => {
  const o = opened();
  const { first } = await twoSteps(o);
  saveJudged(o.store.db, { verdicts: [reference(first, true)], faults: [] });
  const [label] = addLabels(o.store.db, [{ step_id: first, good: false, comment: 'no' }], 'key-a');
  expect(label).toMatchObject({ step_id: first, about: 'step', good: false, comment: 'no', who: 'key-a' });
  expect(decided(o, 'step', first)).toMatchObject({ judge: 'person', good: 0 });
  const said = verdictsOf(o.store.db, 'step', [first]).get(first) ?? [];
  expect(said.find(({ judge }) => judge === 'person')).toMatchObject({
    judgeVersion: label?.id,
    score: 0,
    good: false,
  });
  expect(rewardOf(said)).toEqual({ value: 0, source: 'feedback' });
  expect(verify(o.store.db).problems).toEqual([]);
});

test('on a step that is an answer the same is said of the answer, also through the conversation', async () => {
  const o = opened();
  const { first, last, responseId, trajectoryId } = await twoSteps(o);
  const [label] = addLabels(o.store.db, [{ trajectory_id: trajectoryId, good: true }], '');
  expect(label).toMatchObject({ step_id: last, about: 'trajectory', who: null });
  expect(decided(o, 'step', last)).toMatchObject({ judge: 'person', good: 1 });
  expect(decided(o, 'response', responseId)).toMatchObject({ judge: 'person', good: 1 });
  expect(decided(o, 'step', first)).toBeUndefined();
});

test('a person that cannot say leaves the word to the judges', async () => {
  const o = opened();
  const { first } = await twoSteps(o);
  saveJudged(o.store.db, { verdicts: [reference(first, true)], faults: [] });
  addLabels(o.store.db, [{ step_id: first, good: null }], '');
  expect(decided(o, 'step', first)).toMatchObject({ judge: 'reference', good: 1 });
  expect(verdictsOf(o.store.db, 'step', [first]).get(first)).toHaveLength(2);
});

test('what is taken back is withdrawn: what stands without it is said, or nothing', async () => {
  const o = opened();
  const { first } = await twoSteps(o);
  // All in one millisecond, and by a clock that goes back: the newest word counts all the same.
  const at = Date.now();
  const [good] = addLabels(o.store.db, [{ step_id: first, good: true }], 'key-a', at);
  const [bad] = addLabels(o.store.db, [{ step_id: first, good: false }], 'key-b', at);
  expect(decided(o, 'step', first)).toMatchObject({ good: 0 });
  const [back] = addLabels(o.store.db, [{ withdraw: bad?.id ?? '' }], 'key-b', at - 5_000);
  expect(back).toMatchObject({ withdraws: bad?.id, good: null });
  expect(decided(o, 'step', first)).toMatchObject({ judge: 'person', good: 1 });
  addLabels(o.store.db, [{ withdraw: good?.id ?? '' }], 'key-b', at - 5_000);
  expect(decided(o, 'step', first)).toMatchObject({ judge: null, good: null });
  expect(labelsOf(o.store.db, back?.trajectory_id ?? '').map(({ withdrawn }) => withdrawn)).toContain(true);
  // Twice is once, and a withdrawal is none that could be taken back.
  expect(addLabels(o.store.db, [{ withdraw: bad?.id ?? '' }], 'key-c')[0]).toEqual(back);
  expect(fault(() => addLabels(o.store.db, [{ withdraw: back?.id ?? '' }], '')).status).toBe(400);
  expect(fault(() => addLabels(o.store.db, [{ withdraw: 'lbl-none' }], ''))).toMatchObject({ status: 404 });
  expect(verify(o.store.db).problems).toEqual([]);
});

test('it opens no state to actions that are drawn anew, whatever judges are declared later', async () => {
  const o = opened();
  const { first, last } = await twoSteps(o);
  saveJudged(o.store.db, { verdicts: [reference(last, true)], faults: [], gradable: new Set([last]) });
  addLabels(
    o.store.db,
    [
      { step_id: first, good: true },
      { step_id: last, good: false },
    ],
    '',
  );
  expect(decided(o, 'step', first)).toMatchObject({ judge: 'person', gradable: 0 });
  expect(decided(o, 'step', last)).toMatchObject({ judge: 'person', gradable: 1 });
  const others = declaredJudges({ rewards: ['reference'], configured: [], calibrated: new Set() });
  while (redecide(o.store.db, others));
  expect(decided(o, 'step', first)).toMatchObject({ judge: 'person', good: 1, gradable: 0 });
  // A label after that is decided by those judges, too.
  addLabels(o.store.db, [{ step_id: first, good: false }], '');
  expect(decided(o, 'step', first)).toMatchObject({ judge: 'person', good: 0, gradable: 0 });
});

test('of what is not there, gone, without an answer or consent there is no label, and it is said', async () => {
  const o = opened();
  const { db } = o.store;
  expect(fault(() => addLabels(db, [{ step_id: 'step-none', good: true }], ''))).toMatchObject({
    status: 404,
    code: 'step_not_found',
    param: 'step_id',
  });
  const gone = await twoSteps(o);
  removeTrajectory(db, GYRE_POLICY, gone.trajectoryId);
  expect(fault(() => addLabels(db, [{ step_id: gone.first, good: true }], '')).status).toBe(404);
  expect(fault(() => addLabels(db, [{ trajectory_id: gone.trajectoryId, good: true }], ''))).toMatchObject({
    code: 'trajectory_not_found',
    message: expect.stringContaining('was deleted') as string,
  });
  const silent = await twoSteps(o, { asker: { keyId: '', consent: false } });
  expect(fault(() => addLabels(db, [{ step_id: silent.last, good: true }], ''))).toMatchObject({
    status: 409,
    code: 'no_consent',
  });
  const { key } = addKey(db, { name: 'ann' });
  const withheld = await twoSteps(o, { asker: { keyId: key.id, consent: true } });
  changeKey(db, 'ann', { train: false });
  expect(fault(() => addLabels(db, [{ step_id: withheld.last, good: true }], '')).code).toBe('no_consent');
  const calling = await answer(o.log, opening([user('c')]), [{ text: '', asks: [{ call: call('f', '1', 'find') }] }]);
  expect(fault(() => addLabels(db, [{ trajectory_id: calling.recording.trajectoryId, good: true }], ''))).toMatchObject(
    { status: 409, code: 'no_answer', param: 'trajectory_id' },
  );
  const one = await answer(o.log, opening([user('one')], { asker: { keyId: 'key-z', consent: true } }), [
    { text: 'a' },
  ]);
  const two = await answer(
    o.log,
    opening([user('one'), one.turn, user('two')], { asker: { keyId: 'key-z', consent: true } }),
    [{ text: 'b' }],
  );
  expect(withdrawResponse(db, one.opening.responseId, 'key-z')).toBe(true);
  expect(fault(() => addLabels(db, [{ step_id: one.steps[0]?.id, good: true }], '')).status).toBe(404);
  expect(addLabels(db, [{ step_id: two.steps[0]?.id, good: true }], '')).toHaveLength(1);
});

test('a demonstration calls what could be called, with arguments that are an object', async () => {
  const o = opened();
  const { first } = await twoSteps(o);
  const shown = (name: string, args: string) => () =>
    addLabels(
      o.store.db,
      [{ step_id: first, good: false, demonstration: { tool_calls: [{ function: { name, arguments: args } }] } }],
      '',
    );
  expect(fault(shown('search', '{}'))).toMatchObject({
    status: 400,
    param: 'demonstration.tool_calls.0.function.name',
    message: expect.stringContaining('there were calculator') as string,
  });
  for (const args of ['[1]', '{"a":', '7', ''])
    expect(fault(shown('calculator', args)).param).toBe('demonstration.tool_calls.0.function.arguments');
  expect(shown('calculator', '{"expression": 12345678901234567890}')()[0]?.demonstration).toEqual({
    tool_calls: [{ function: { name: 'calculator', arguments: '{"expression": 12345678901234567890}' } }],
  });
});

test('several are taken all or none', async () => {
  const o = opened();
  const { first, last } = await twoSteps(o);
  const refused = fault(() =>
    addLabels(
      o.store.db,
      [
        { step_id: first, good: true },
        { step_id: 'step-none', good: true },
      ],
      '',
    ),
  );
  expect(refused).toMatchObject({ status: 404, param: '[1].step_id' });
  expect(listLabels(o.store.db, {}).data).toEqual([]);
  expect(decided(o, 'step', first)).toBeUndefined();
  expect(
    addLabels(
      o.store.db,
      [
        { step_id: first, good: true },
        { step_id: last, good: true },
      ],
      '',
    ),
  ).toHaveLength(2);
});

test('they are listed newest first, page by page, of one step or one conversation', async () => {
  const o = opened();
  const [a, b] = [await twoSteps(o), await twoSteps(o)];
  const ids = [a.first, a.last, b.last].map((id) => addLabels(o.store.db, [{ step_id: id, good: true }], '')[0]?.id);
  const idsOf = (query: Record<string, string>): unknown[] => listLabels(o.store.db, query).data.map(({ id }) => id);
  expect(idsOf({})).toEqual([...ids].reverse());
  expect(idsOf({ limit: '1' })).toEqual([ids[2]]);
  expect(idsOf({ limit: '2', after: ids[2] ?? '' })).toEqual([ids[1], ids[0]]);
  expect(idsOf({ step_id: a.last })).toEqual([ids[1]]);
  expect(idsOf({ trajectory_id: a.trajectoryId })).toEqual([ids[1], ids[0]]);
  expect(fault(() => listLabels(o.store.db, { after: 'lbl-none' })).status).toBe(400);
  expect(fault(() => listLabels(o.store.db, { stepid: 'x' })).code).toBe('unknown_parameter');
});

test('with a conversation its labels are deleted, pruned, and proven', async () => {
  const o = opened();
  const { db } = o.store;
  const [deleted, pruned, kept] = [await twoSteps(o), await twoSteps(o), await twoSteps(o)];
  for (const { last } of [deleted, pruned, kept]) addLabels(db, [{ step_id: last, good: true, comment: 'mine' }], '');
  removeTrajectory(db, GYRE_POLICY, deleted.trajectoryId);
  db.transaction(
    (tx) => {
      const went = new Map<string, string[]>();
      takeOut(db, tx, pruned.trajectoryId, went, Date.now());
      expect(went.get('labels')).toHaveLength(1);
      savePruning(tx, 'a test', went, Date.now());
    },
    { behavior: 'immediate' },
  );
  expect(listLabels(db, {}).data.map(({ trajectory_id: id }) => id)).toEqual([kept.trajectoryId]);
  expect(verify(db).problems).toEqual([]);
  // Labelled conversations are what retention may be told to keep.
  const bare = await twoSteps(o);
  const far = Date.now() + 10_000_000;
  expect([...new Choice(db, ['labelled']).all(far)].map(({ id }) => id)).toEqual([bare.trajectoryId]);
  expect([...new Choice(db, []).all(far)].map(({ id }) => id)).toEqual([kept.trajectoryId, bare.trajectoryId]);
});

test('a label that was changed, lost, or is about nothing is named by verify', async () => {
  const o = opened();
  const { first, last } = await twoSteps(o);
  const [changed, lost] = addLabels(
    o.store.db,
    [
      { step_id: first, good: true },
      { step_id: last, good: true },
    ],
    '',
  );
  prepared(o.store.db, 'UPDATE labels SET good = 0 WHERE id = ?').run(changed?.id);
  prepared(o.store.db, 'DELETE FROM labels WHERE id = ?').run(lost?.id);
  o.store.sqlite.exec(`INSERT INTO labels SELECT 'lbl-stray', 'step-none', trajectory_id, about, good, comment,
    demonstration, who, withdraws, created_at FROM labels LIMIT 1`);
  const problems = verify(o.store.db).problems.filter(({ table }) => table === 'labels');
  expect(problems.map(({ id }) => id).sort()).toEqual([lost?.id, changed?.id, 'lbl-stray', 'lbl-stray'].sort());
});
