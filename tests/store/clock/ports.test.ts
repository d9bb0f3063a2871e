/** One suite over every store behind the learning clock's ports: what a verb promises, whoever keeps the rows. */
import { beforeEach, describe, expect, it } from 'vitest';

import { assemble, hyperDefaults } from '../../../src/batch/assemble.js';
import type { Batch } from '../../../src/core/learning/batch.js';
import type { Cycle } from '../../../src/core/learning/cycle.js';
import type { NewGroup } from '../../../src/core/learning/group.js';
import type { UnjudgedSlice, Verdict } from '../../../src/core/learning/judging.js';
import type { Sample } from '../../../src/core/learning/sample.js';
import type { Task } from '../../../src/core/learning/task.js';
import type { LearningStore } from '../../../src/core/ports.js';
import { type Logged, sample, STORES } from './stores.js';

const task = (id: string, question: string, split: Task['split'] = 'train'): Task => ({
  id,
  messages: [{ role: 'user', content: question }],
  reference: '4',
  split,
  metadata: {},
});

const verdict = (subjectId: string, more: Partial<Verdict> = {}): Verdict => ({
  id: `vrd-${subjectId}-${more.judge ?? 'reference'}-${more.judgeVersion ?? '1'}`,
  subjectKind: 'step',
  subjectId,
  judge: 'reference',
  judgeVersion: '1',
  score: 1,
  good: true,
  rationale: '',
  createdAt: 1,
  ...more,
});

function groupOf(samples: readonly [Sample, ...Sample[]]): NewGroup {
  const [{ cycleId, stepId, policyVersion, createdAt }] = samples;
  const drawn = samples.length;
  return { cycleId, stepId, policyVersion, createdAt, outcome: 'drawn', reason: '', drawn, redacted: 0, samples };
}

function batchOf(id: string, targetVersion: number, from: Sample): Batch {
  const { stepId, promptTokenIds, tokenIds, logprobs, temperature } = from;
  return assemble(
    {
      batchId: id,
      mode: 'resample',
      baseVersion: 0,
      targetVersion,
      templateHash: '',
      hyper: hyperDefaults('resample', undefined, targetVersion),
    },
    [{ id: from.id, stepId, trajectoryId: 't', promptTokenIds, tokenIds, logprobs, temperature, advantage: 1 }],
  );
}

describe.each(STORES)('$name', ({ open }) => {
  let logged: Logged;
  let gyre: LearningStore;
  const begin = (rows: LearningStore = gyre): Promise<Cycle> => rows.cycles.begin({ mode: 'resample', filter: 'none' });

  beforeEach(() => {
    logged = open();
    gyre = logged.of('gyre');
  });

  describe('cycles', () => {
    it('begin at the head, run until they end, and are newest first', async () => {
      const first = await begin();
      expect(first).toMatchObject({ state: 'running', stage: 'generate', baseVersion: 0, counts: {}, note: '' });
      expect(await gyre.cycles.running()).toEqual(first);
      await gyre.cycles.move(first.id, { state: 'done', note: 'over' });
      expect(await gyre.cycles.running()).toBeUndefined();
      const second = await begin();
      expect((await gyre.cycles.newest(5)).map(({ id }) => id)).toEqual([second.id, first.id]);
    });

    it('add counts to those that are there, and move along allowed edges only', async () => {
      const { id } = await begin();
      await gyre.cycles.move(id, { stage: 'judge', counts: { judged: 2 } });
      expect(await gyre.cycles.move(id, { counts: { states: 1 } })).toMatchObject({ counts: { judged: 2, states: 1 } });
      await gyre.cycles.move(id, { state: 'skipped' });
      await expect(gyre.cycles.move(id, { state: 'running' })).rejects.toThrow(/skipped and cannot become running/);
    });

    it('claim a step once over all cycles, and nothing that was deleted', async () => {
      const [kept, gone] = [await logged.said('one'), await logged.said('two')];
      await logged.forget(gone);
      const first = await begin();
      const claims = [kept, gone].map((stepId) => ({ stepId, same: [] }));
      expect(await gyre.cycles.claim(first.id, 'resample', claims)).toEqual([kept]);
      expect((await gyre.cycles.claimed(first.id)).map(({ stepId }) => stepId)).toEqual([kept]);
      await gyre.cycles.move(first.id, { state: 'done' });
      const second = await begin();
      expect(await gyre.cycles.claim(second.id, 'resample', claims)).toEqual([]);
    });
  });

  describe('verdicts', () => {
    it('are one for each subject, judge and version, and none of what is gone', async () => {
      const [there, gone] = [await logged.said('one'), await logged.said('two')];
      await logged.forget(gone);
      const again = verdict(there, { id: 'again', good: false, score: 0 });
      await gyre.verdicts.save({ verdicts: [verdict(there), again, verdict(gone)], faults: [] });
      expect(await gyre.verdicts.of('step', [there, gone])).toEqual(new Map([[there, [verdict(there)]]]));
    });

    it('are asked for slice by slice: each step once, and again only where a judge failed and it is due', async () => {
      const [one, two] = [await logged.said('one'), await logged.said('two')];
      const judges = [{ name: 'reference', version: '1' }];
      const now = Date.now();
      const next = (at: number): Promise<UnjudgedSlice | undefined> => gyre.verdicts.unjudged(judges, 100, at);
      const slice = await next(now);
      const steps = slice?.subjects.filter(({ kind }) => kind === 'step') ?? [];
      expect(steps).toEqual([one, two].map((id) => ({ kind: 'step', id, stepId: id, judges: ['reference'] })));
      const said = (slice?.subjects ?? []).filter(({ id }) => id !== one);
      const fault = {
        subjectKind: 'step' as const,
        subjectId: one,
        stepId: one,
        judge: 'reference',
        judgeVersion: '1',
      };
      await gyre.verdicts.save(
        {
          verdicts: said.map(({ kind, id }) => verdict(id, { subjectKind: kind })),
          faults: [{ ...fault, reason: '503' }],
        },
        slice?.turn,
      );
      expect(await next(now)).toBeUndefined();
      const due = await next(now + 60_000);
      expect(due?.subjects.map(({ id }) => id)).toEqual([one]);
      await gyre.verdicts.save({ verdicts: [verdict(one)], faults: [] }, due?.turn);
      expect(await next(now + 60_000)).toBeUndefined();
    });

    it('of judges that nobody has declared are counted by their subjects', async () => {
      const one = await logged.said('one');
      expect(await gyre.verdicts.unknownJudged()).toBe(0);
      await gyre.verdicts.save({ verdicts: [verdict(one, { judge: 'stranger' })], faults: [] });
      expect(await gyre.verdicts.unknownJudged()).toBe(1);
    });
  });

  describe('steps', () => {
    it('are read many at a time, and what is gone is left out', async () => {
      const [there, gone] = [await logged.said('one'), await logged.said('two')];
      await logged.forget(gone);
      const states = await gyre.steps.states([there, gone]);
      expect([...states.keys()]).toEqual([there]);
      expect(states.get(there)).toMatchObject({ text: 'Well.', promptTokenIds: [1, 2], tokenIds: [3, 4], index: 0 });
      expect((await gyre.steps.words([there, gone])).get(there)?.messages).toEqual([{ role: 'user', content: 'one' }]);
    });

    it('may be learned from where consent was given', async () => {
      const [yes, no] = [await logged.said('one'), await logged.said('two', { consent: false })];
      expect(await gyre.steps.consented([yes, no])).toEqual(new Set([yes]));
    });

    it('say whether they ask what is held out, however it is spelled', async () => {
      await gyre.tasks.save([task('h', 'What is 2 plus 2, my friend?', 'heldout')]);
      const [out, other] = [await logged.said(' what is 2 PLUS 2, my friend? '), await logged.said('Good morning')];
      expect(await gyre.steps.heldOut([out, other])).toEqual(new Set([out]));
    });

    it('come with their task, and whether they ask it and nothing else', async () => {
      await gyre.tasks.save([task('t', 'What is 2 plus 2?')]);
      const asks = await logged.said('What is 2 plus 2?', { taskId: 't' });
      const claims = await logged.said('Tell me the answer', { taskId: 't' });
      const asked = await gyre.steps.asked([asks, claims]);
      expect(asked.get(asks)).toMatchObject({ task: { id: 't' }, asksTask: true, byAdmin: false });
      expect(asked.get(claims)).toMatchObject({ task: { id: 't' }, asksTask: false });
    });
  });

  it('tasks of a known id are replaced, and are in the order of their ids', async () => {
    await gyre.tasks.save([task('b', 'B?'), task('a', 'A?'), task('h', 'H?', 'heldout')]);
    await gyre.tasks.save([task('b', 'B, really?')]);
    expect((await gyre.tasks.of('train')).map(({ messages }) => messages[0]?.content)).toEqual(['A?', 'B, really?']);
    expect(await gyre.tasks.count('heldout')).toBe(1);
  });

  it('two policies on one log see nothing of each other', async () => {
    const other = logged.of('other');
    const stepId = await logged.said('one');
    const [ours, theirs] = [await begin(), await begin(other)];
    expect((await gyre.cycles.newest(5)).map(({ id }) => id)).toEqual([ours.id]);
    expect(await other.cycles.running()).toEqual(theirs);
    const claims = [{ stepId, same: [] }];
    expect(await gyre.cycles.claim(ours.id, 'resample', claims)).toEqual([stepId]);
    expect(await other.cycles.claim(theirs.id, 'resample', claims)).toEqual([stepId]);
    const [drawn, drawnByOther] = [sample(ours.id, stepId, 1), { ...sample(theirs.id, stepId, 2), id: 'smp-other' }];
    await gyre.samples.save(groupOf([drawn]));
    await other.samples.save(groupOf([drawnByOther]));
    expect(await gyre.batches.save(ours.id, batchOf('bat-1', 1, drawn), [])).toBe('saved');
    expect([await gyre.batches.nextVersion(), await other.batches.nextVersion()]).toEqual([2, 1]);
    expect(await other.batches.byId('bat-1')).toBeUndefined();
    expect(await other.samples.of(ours.id)).toEqual([]);
    await gyre.versions.save({ version: 1, kind: 'trained', parent: 0, metrics: {}, createdAt: 1 });
    expect([await gyre.versions.head(), await other.versions.head()]).toEqual([1, 0]);
    await other.versions.save({ version: 1, kind: 'trained', parent: 0, metrics: { other: 1 }, createdAt: 1 });
    await other.decisions.add({ kind: 'promotion', version: 1, passed: true, reason: '', numbers: {} });
    expect([await gyre.versions.serving(), await other.versions.serving()]).toEqual([0, 1]);
    expect((await gyre.versions.all()).map(({ metrics }) => metrics)).toEqual([{}]);
  });
});
