/** Answers to held-out tasks, and the decisions that are made of them. */
import { expect, test } from 'vitest';

import { newId } from '../../../src/core/ids.js';
import type { AskedAs, TaskAnswer } from '../../../src/core/learning/evaluation.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { type Task, taskSetHash } from '../../../src/core/learning/task.js';
import type { NewDecision } from '../../../src/core/learning/version.js';
import type { LearningStore } from '../../../src/core/ports.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { DAY_MS, Pruner } from '../../../src/store/retention/prune.js';
import { answer, opened, type Opened, opening, user } from '../fixture.js';

const task = (id: string, content = id): Task => ({
  ...{ id, reference: '1', split: 'heldout', metadata: {} },
  messages: [user(content)],
});
const [A, B] = [task('a'), task('b')];
const JUDGES = [{ name: 'reference', version: '4' }];

interface Made extends Opened {
  readonly rows: LearningStore;
  readonly other: LearningStore;
  /** An answer of a version to a task, and its trajectory in the log. */
  answered(version: number, of: Task, as?: AskedAs, more?: Partial<TaskAnswer>): Promise<TaskAnswer>;
}

function made(): Made {
  const open = opened();
  const [rows, other] = [GYRE_POLICY, 'other'].map((policy) => learningStore(open.store.db, policy));
  if (rows === undefined || other === undefined) return expect.fail();
  const answered: Made['answered'] = async (version, of, askedAs = 'candidate', more = {}) => {
    const at = Date.now() - DAY_MS;
    const { recording } = await answer(open.log, opening(of.messages, { origin: 'evaluate', at }), [{ text: '1' }]);
    const [taskHash, { trajectoryId }] = [taskSetHash([of]), recording];
    const judged = { judge: 'reference', judgeVersion: '4', score: 1 };
    return { version, taskId: of.id, taskHash, ...judged, trajectoryId, askedAs, createdAt: Date.now(), ...more };
  };
  return { ...open, rows, other, answered };
}

const gateOf = (version: number, against: number, passed = true): NewDecision => ({
  ...{ kind: 'gate', version, against, passed },
  ...{ reason: 'better', numbers: {} },
});

test('an answer is to what the task said then, by a judge in its version, of one policy', async () => {
  const { rows, other, answered } = made();
  const first = await answered(1, A);
  await rows.evaluations.save([first, await answered(1, B, 'report', { judgeVersion: '3' })]);
  expect(await rows.evaluations.answers(1, [A, B], JUDGES)).toEqual(new Map([['a', first]]));
  const again = await answered(1, A, 'serving', { score: 0 });
  await rows.evaluations.save([again]);
  expect(await rows.evaluations.answers(1, [A, B], JUDGES)).toEqual(new Map([['a', again]]));
  expect(await rows.evaluations.answers(1, [task('a', 'another question')], JUDGES)).toEqual(new Map());
  expect(await rows.evaluations.answers(2, [A], JUDGES)).toEqual(new Map());
  expect(await other.evaluations.answers(1, [A], JUDGES)).toEqual(new Map());
  const both = [...JUDGES, { name: 'reference', version: '3' }];
  expect([...(await rows.evaluations.answers(1, [A, B], both)).keys()].sort()).toEqual(['a', 'b']);
});

test('what a trajectory answered goes with it, deleted or pruned, and none comes after it', async () => {
  const { rows, store, answered } = made();
  const [deleted, pruned] = [await answered(1, A), await answered(1, B)];
  await rows.evaluations.save([deleted, pruned]);
  removeTrajectory(store.db, GYRE_POLICY, deleted.trajectoryId);
  expect([...(await rows.evaluations.answers(1, [A, B], JUDGES)).keys()]).toEqual(['b']);
  new Pruner(store.db, { days: 0.5, keep: [] }, () => Date.now()).slice();
  await rows.evaluations.save([deleted, pruned]);
  expect(await rows.evaluations.answers(1, [A, B], JUDGES)).toEqual(new Map());
  expect(verify(store.db)).toMatchObject({ ok: true });
});

test('an answer of a trajectory that was lost is found', async () => {
  const { rows, store, answered } = made();
  const lost = await answered(1, A);
  await rows.evaluations.save([lost]);
  store.sqlite.prepare('DELETE FROM trajectories WHERE id = ?').run(lost.trajectoryId);
  expect(verify(store.db).problems).toContainEqual(
    expect.objectContaining({ table: 'evaluation_answers', id: lost.trajectoryId }),
  );
});

test('a pass promotes in the same transaction, only while what it was compared with serves', async () => {
  const { rows, other, store } = made();
  const refused = await rows.decisions.gate(gateOf(1, 0, false), ['a']);
  expect(refused).toMatchObject({ promoted: false, gate: { kind: 'gate', passed: false } });
  expect(await rows.decisions.gate(gateOf(2, 0), ['b'])).toMatchObject({ promoted: true });
  expect(await rows.decisions.gate(gateOf(3, 0), [])).toMatchObject({ promoted: false, gate: { passed: true } });
  expect(await rows.versions.serving()).toBe(2);
  expect(await other.versions.serving()).toBe(0);
  expect((await rows.decisions.newest(10)).map(({ kind, version }) => [kind, version])).toEqual([
    ['gate', 3],
    ['promotion', 2],
    ['gate', 2],
    ['gate', 1],
  ]);
  expect((await rows.decisions.sincePromotion()).map(({ version }) => version)).toEqual([3]);
  expect([...(await rows.evaluations.uses()).keys()]).toEqual(['a', 'b']);
  expect(await other.evaluations.uses()).toEqual(new Map());
  // Half of it would be a pass without its promotion.
  store.sqlite.exec(
    `CREATE TRIGGER no_promotion BEFORE INSERT ON decisions WHEN new.kind = 'promotion'
      BEGIN SELECT raise(ABORT, 'the disk is full'); END`,
  );
  await expect(rows.decisions.gate(gateOf(4, 2), ['c'])).rejects.toThrow('the disk is full');
  expect((await rows.decisions.newest(10, 4)).length + (await rows.evaluations.uses()).size).toBe(2);
  expect(verify(store.db)).toMatchObject({ ok: true });
});

test('tested are versions asked as candidates since the last promotion, whatever the clock says', async () => {
  const { rows, answered } = made();
  await rows.evaluations.save([await answered(1, A), await answered(0, A, 'serving')]);
  expect(await rows.evaluations.tested()).toEqual([1]);
  await rows.decisions.gate(gateOf(1, 0), []);
  expect(await rows.evaluations.tested()).toEqual([]);
  const earlier = { createdAt: Date.now() - DAY_MS };
  await rows.evaluations.save([await answered(2, A, 'candidate', earlier), await answered(3, A, 'report', earlier)]);
  expect(await rows.evaluations.tested()).toEqual([2]);
});

test('decisions follow each other as they were made, also where the clock was set back', async () => {
  const { rows, store } = made();
  // A decision of tomorrow, as whoever made it has it.
  const ahead = newId('dec', Date.now() + DAY_MS);
  await rows.decisions.gate(gateOf(1, 0), []);
  store.sqlite.prepare("UPDATE decisions SET id = ? WHERE kind = 'promotion'").run(ahead);
  await rows.decisions.gate(gateOf(2, 1, false), []);
  await rows.decisions.gate(gateOf(3, 1, false), []);
  expect((await rows.decisions.sincePromotion()).map(({ version }) => version)).toEqual([3, 2]);
  await rows.decisions.add({ kind: 'rollback', version: 4, against: 1, passed: true, reason: '', numbers: {} });
  expect(await rows.versions.serving()).toBe(4);
  expect((await rows.decisions.newest(2)).map(({ kind }) => kind)).toEqual(['rollback', 'gate']);
});

test('promoted by hand is only what was better than what serves now', async () => {
  const { rows } = made();
  for (const version of [1, 2])
    await rows.versions.save({
      ...{ version, kind: 'trained', parent: version - 1, batchId: `bat-${version}`, metrics: {}, createdAt: version },
    });
  await rows.decisions.add(gateOf(1, 0));
  await rows.decisions.add(gateOf(2, 0));
  expect(await rows.decisions.promote(1)).toMatchObject({ kind: 'promotion', version: 1, against: 0 });
  await expect(rows.decisions.promote(1)).rejects.toMatchObject({ status: 409, code: 'already_serving' });
  await expect(rows.decisions.promote(2)).rejects.toMatchObject({
    status: 409,
    code: 'gate_not_passed',
    message: expect.stringMatching(/better than version 0, and version 1 serves now/) as string,
  });
});
