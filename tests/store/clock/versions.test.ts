/** One suite over every store: versions, what is decided about them, their batches, and who may do so at a time. */
import { beforeEach, describe, expect, it } from 'vitest';

import { assemble, hyperDefaults } from '../../../src/batch/assemble.js';
import type { Batch } from '../../../src/core/learning/batch.js';
import type { TaskAnswer } from '../../../src/core/learning/evaluation.js';
import { type Task, taskSetHash } from '../../../src/core/learning/task.js';
import type { MadeVersion, NewDecision, Version } from '../../../src/core/learning/version.js';
import type { LearningStore } from '../../../src/core/ports.js';
import { type Logged, sample, STORES } from './stores.js';

const trained = (version: number, parent: number): Version => ({
  ...{ version, kind: 'trained', parent, batchId: `bat-${version}`, metrics: {}, createdAt: version },
});
const decision = (kind: NewDecision['kind'], version: number, against: number, passed = true): NewDecision => ({
  ...{ kind, version, against, passed, reason: kind, numbers: {} },
});
const MADE: MadeVersion = {
  version: 1,
  metrics: { loss: 0.5, kl_base: 2 },
  parity: { passed: true, reason: 'near', numbers: {} },
};
const TASK: Task = {
  ...{ id: 'h1', messages: [{ role: 'user', content: 'What is 2 plus 2?' }], reference: '4', split: 'heldout' },
  metadata: {},
};
const JUDGES = [{ name: 'reference', version: '1' }];

describe.each(STORES)('$name', ({ open }) => {
  let logged: Logged;
  let gyre: LearningStore;
  beforeEach(() => {
    logged = open();
    gyre = logged.of('gyre');
  });

  /** A cycle that has claimed a step and laid out a batch of one action that it drew there. */
  async function laidOut(words = 'one', mode: Batch['mode'] = 'resample') {
    const stepId = await logged.said(words);
    const { id: cycleId } = await gyre.cycles.begin({ mode, filter: 'none' });
    await gyre.cycles.claim(cycleId, mode, [{ stepId, same: [] }]);
    const drawn = sample(cycleId, stepId, 1);
    const { promptTokenIds, tokenIds, logprobs, temperature } = drawn;
    const targetVersion = await gyre.batches.nextVersion();
    const batch = assemble(
      {
        ...{ batchId: `bat-${targetVersion}`, mode, baseVersion: await gyre.versions.head(), targetVersion },
        ...{ templateHash: '', hyper: hyperDefaults(mode, undefined, 1) },
      },
      [{ id: drawn.id, stepId, trajectoryId: 't', promptTokenIds, tokenIds, logprobs, temperature, advantage: 1 }],
    );
    const items = [{ itemId: mode === 'resample' ? drawn.id : `${mode}:${stepId}`, stepId, advantage: 1 }];
    expect(await gyre.batches.save(cycleId, batch, items)).toBe('saved');
    return { stepId, cycleId, batch };
  }

  describe('batches', () => {
    it('are found by their cycle, sent, and open until something became of them', async () => {
      const { stepId, cycleId, batch } = await laidOut();
      expect(await gyre.batches.ofCycle(cycleId)).toMatchObject({ id: batch.batch_id, state: 'assembled', batch });
      expect(await gyre.batches.stepsOf(batch.batch_id)).toEqual([stepId]);
      expect(await gyre.batches.open()).toEqual([]);
      await gyre.batches.move(batch.batch_id, 'sent');
      expect((await gyre.batches.open()).map(({ id }) => id)).toEqual([batch.batch_id]);
      await gyre.batches.move(batch.batch_id, 'failed', 'too far');
      expect(await gyre.batches.open()).toEqual([]);
      expect(await gyre.batches.byId(batch.batch_id)).toMatchObject({ note: 'too far', batch: { actions: [] } });
      await expect(gyre.batches.move(batch.batch_id, 'sent')).rejects.toThrow(/failed and cannot become sent/);
      // The number was promised to it.
      expect(await gyre.batches.nextVersion()).toBe(2);
    });

    it('that were applied leave a version, its parity and the head, once', async () => {
      const { batch } = await laidOut();
      await gyre.batches.move(batch.batch_id, 'sent');
      const made = await gyre.batches.applied(batch.batch_id, MADE);
      expect(made).toMatchObject({ isHead: true, version: { version: 1, parent: 0, batchId: batch.batch_id } });
      expect(made.parity).toMatchObject({ kind: 'parity', version: 1, passed: true });
      expect(await gyre.batches.applied(batch.batch_id, MADE)).toEqual(made);
      expect(await gyre.decisions.newest(10)).toEqual([made.parity]);
      expect([await gyre.versions.head(), await gyre.versions.ungated()]).toEqual([1, 1]);
      expect(await gyre.versions.updates(1)).toMatchObject([
        { numbers: { kl_base: 2 }, alarms: [{ name: 'kl_base' }] },
      ]);
      expect(await gyre.versions.updates(0)).toEqual([]);
    });

    it('free the logged actions of one that failed, unless the trainer has tried it', async () => {
      const { stepId, cycleId, batch } = await laidOut('one', 'sft');
      await gyre.batches.move(batch.batch_id, 'sent');
      await gyre.batches.move(batch.batch_id, 'failed', 'the disk is full');
      await gyre.cycles.release(cycleId, true);
      await gyre.cycles.move(cycleId, { state: 'failed' });
      expect(await gyre.cycles.claimed(cycleId)).toEqual([]);
      const again = await gyre.cycles.begin({ mode: 'sft', filter: 'none' });
      expect(await gyre.cycles.claim(again.id, 'sft', [{ stepId, same: [] }])).toEqual([stepId]);

      const tried = await laidOut('two', 'sft');
      await gyre.batches.move(tried.batch.batch_id, 'sent');
      await gyre.batches.move(tried.batch.batch_id, 'failed', 'too far', true);
      await gyre.cycles.release(tried.cycleId, true);
      expect((await gyre.cycles.claimed(tried.cycleId)).map((claimed) => claimed.stepId)).toEqual([tried.stepId]);
    });
  });

  describe('versions', () => {
    it('are gone back from to the weights that served before, under a number that nobody has', async () => {
      await expect(gyre.versions.wayBack()).rejects.toMatchObject({ status: 409, code: 'nothing_to_roll_back' });
      for (const version of [1, 2]) await gyre.versions.save(trained(version, version - 1));
      await gyre.decisions.add(decision('promotion', 1, 0));
      const way = await gyre.versions.wayBack();
      expect(way).toEqual({ version: 3, weights: 0, from: 1 });
      const back = await gyre.versions.copied({ ...way, kind: 'rollback' }, 'asked for');
      expect(back).toMatchObject({ version: 3, kind: 'rollback', parent: 1, copyOf: 0 });
      expect([await gyre.versions.head(), await gyre.versions.serving()]).toEqual([3, 3]);
      expect(await gyre.versions.ungated()).toBe(0);
      // What it was made for does not serve any more.
      await expect(gyre.versions.copied({ ...way, version: 4, kind: 'rollback' }, 'late')).rejects.toMatchObject({
        code: 'serving_changed',
      });
    });

    it('are started again from: the head moves, and what serves only where that is lost', async () => {
      for (const version of [1, 2]) await gyre.versions.save(trained(version, version - 1));
      await gyre.decisions.add(decision('promotion', 1, 0));
      expect(await gyre.versions.waysOn()).toEqual({ version: 3, head: 2, serving: 1, candidates: [2, 1] });
      await gyre.versions.copied({ version: 3, weights: 1, from: 2, kind: 'restart', lost: [2] }, 'lost');
      expect([await gyre.versions.head(), await gyre.versions.serving()]).toEqual([3, 1]);
      expect((await gyre.versions.waysOn()).candidates).toEqual([3, 1]);
      expect([...(await gyre.versions.removed()).keys()]).toEqual([2]);
      await gyre.versions.copied({ version: 4, weights: 0, from: 3, kind: 'restart', lost: [3, 1] }, 'lost');
      expect([await gyre.versions.head(), await gyre.versions.serving()]).toEqual([4, 4]);
      await expect(
        gyre.versions.copied({ version: 4, weights: 0, from: 4, kind: 'restart' }, 'again'),
      ).rejects.toMatchObject({ code: 'version_taken' });
    });
  });

  describe('decisions', () => {
    it('of the gate promote in the same save, and only against what serves', async () => {
      for (const version of [1, 2]) await gyre.versions.save(trained(version, version - 1));
      expect(await gyre.decisions.gate(decision('gate', 1, 0), ['h1'])).toMatchObject({ promoted: true });
      expect(await gyre.versions.serving()).toBe(1);
      expect(await gyre.decisions.gate(decision('gate', 2, 0), ['h2'])).toMatchObject({ promoted: false });
      expect(await gyre.versions.serving()).toBe(1);
      expect([...(await gyre.evaluations.uses()).keys()].sort()).toEqual(['h1', 'h2']);
      expect((await gyre.decisions.sincePromotion()).map(({ version }) => version)).toEqual([2]);
      expect((await gyre.decisions.newest(10, 1)).map(({ kind }) => kind)).toEqual(['promotion', 'gate']);
    });

    it('by hand promote only what has passed against what serves', async () => {
      await expect(gyre.decisions.promote(1)).rejects.toMatchObject({ status: 404 });
      for (const version of [1, 2]) await gyre.versions.save(trained(version, version - 1));
      await expect(gyre.decisions.promote(1)).rejects.toMatchObject({ status: 409, code: 'gate_not_passed' });
      await gyre.decisions.add(decision('gate', 1, 0));
      await gyre.decisions.add(decision('gate', 2, 0));
      expect(await gyre.decisions.promote(1)).toMatchObject({ kind: 'promotion', version: 1, against: 0 });
      await expect(gyre.decisions.promote(1)).rejects.toMatchObject({ code: 'already_serving' });
      await expect(gyre.decisions.promote(2)).rejects.toMatchObject({ code: 'gate_not_passed' });
    });

    it('that set the head back move it, and count as no update', async () => {
      for (const version of [1, 2]) await gyre.versions.save(trained(version, version - 1));
      expect(await gyre.versions.ungated()).toBe(2);
      await expect(gyre.decisions.add(decision('head_reset', 0, 1))).rejects.toMatchObject({ code: 'head_moved' });
      expect([await gyre.versions.head(), await gyre.decisions.newest(9)]).toEqual([2, []]);
      await gyre.decisions.add(decision('head_reset', 0, 2));
      expect([await gyre.versions.head(), await gyre.versions.ungated()]).toEqual([0, 0]);
    });
  });

  describe('evaluations', () => {
    const answer = async (part: Partial<TaskAnswer> = {}): Promise<TaskAnswer> => ({
      ...{ version: 1, taskId: TASK.id, taskHash: taskSetHash([TASK]), judge: 'reference', judgeVersion: '1' },
      ...{ score: 1, trajectoryId: await logged.trajectoryOf(await logged.said('2 plus 2?')) },
      ...{ askedAs: 'candidate' as const, createdAt: Date.now() },
      ...part,
    });

    it('are of what a task says now, by a judge in its version; the newest is in place of the others', async () => {
      const first = await answer();
      await gyre.evaluations.save([{ ...first, score: 0 }]);
      await gyre.evaluations.save([first]);
      const found = (tasks: readonly Task[], judges = JUDGES): Promise<unknown> =>
        gyre.evaluations.answers(1, tasks, judges).then((known) => [...known.values()].map(({ score }) => score));
      expect(await found([TASK])).toEqual([1]);
      expect(await found([{ ...TASK, reference: '5' }])).toEqual([]);
      expect(await found([TASK], [{ name: 'reference', version: '2' }])).toEqual([]);
      expect(await gyre.evaluations.tested()).toEqual([1]);
      await gyre.decisions.add(decision('promotion', 1, 0));
      expect(await gyre.evaluations.tested()).toEqual([]);
    });

    it('of a trajectory that is gone are not kept', async () => {
      const stepId = await logged.said('2 plus 2?');
      const late = await answer({ trajectoryId: await logged.trajectoryOf(stepId) });
      await logged.forget(stepId);
      await gyre.evaluations.save([late]);
      expect((await gyre.evaluations.answers(1, [TASK], JUDGES)).size).toBe(0);
    });

    it('on a whole set of tasks are found by it, the newest first', async () => {
      const taskSet = taskSetHash([TASK]);
      expect(await gyre.evaluations.of(1, taskSet)).toBeUndefined();
      const results = [{ taskId: TASK.id, trajectoryId: 't', score: 1 }];
      await gyre.evaluations.close({ id: 'eval-1', version: 1, taskSet, results: [], createdAt: 1 });
      await gyre.evaluations.close({ id: 'eval-2', version: 1, taskSet, results, createdAt: 2 });
      expect(await gyre.evaluations.of(1, taskSet)).toMatchObject({ id: 'eval-2', results });
      expect(await gyre.evaluations.of(2, taskSet)).toBeUndefined();
    });
  });

  it('the lock is one holder’s for each thing to do, and is given back once', async () => {
    const release = await gyre.lock.take('cycle', 'a learning cycle');
    await expect(gyre.lock.take('cycle', 'another')).rejects.toMatchObject({ status: 409, code: 'cycle_running' });
    const steering = await gyre.lock.take('steering', 'a rollback');
    await (
      await logged.of('other').lock.take('cycle', 'another policy’s')
    )();
    await release();
    const next = await gyre.lock.take('cycle', 'the next');
    await release();
    await expect(gyre.lock.take('cycle', 'another')).rejects.toMatchObject({ message: /^the next is running/ });
    await next();
    await steering();
  });

  it('keys give what was asked with them, and nobody gives what nobody’s key asked', async () => {
    const stepId = await logged.said('one');
    expect(await gyre.givers.of([stepId, 'gone'])).toEqual(new Map([[stepId, '']]));
    expect(await gyre.givers.heardLately()).toEqual([]);
  });

  it('the status tells the head, what serves, how long there was no gate, and the newest cycles', async () => {
    await gyre.versions.save(trained(1, 0));
    const { id } = await gyre.cycles.begin({ mode: 'resample', filter: 'none' });
    const rule = { name: 'all', mode: 'resample', filter: 'none', reasonOf: () => '' } as const;
    const facts = await gyre.views.status({ ruleAt: () => rule, boundsAt: (head) => ({ head, reuse: 4 }) });
    expect(facts).toMatchObject({ head: 1, serving: 0, ungated: 1, versions: 1, running: { id }, heldoutTasks: 0 });
    expect(facts.newest.map((cycle) => cycle.id)).toEqual([id]);
  });
});
