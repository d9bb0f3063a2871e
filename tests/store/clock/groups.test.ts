/** Groups, in every store behind the learning clock's ports: drawn once, settled, taken by one batch, carried over. */
import { beforeEach, describe, expect, it } from 'vitest';

import { assemble, hyperDefaults } from '../../../src/batch/assemble.js';
import type { Batch, BatchItem } from '../../../src/core/learning/batch.js';
import type { NewGroup } from '../../../src/core/learning/group.js';
import type { LearningStore } from '../../../src/core/ports.js';
import { type Logged, sample, STORES } from './stores.js';

const group = (cycleId: string, stepId: string, part: Partial<NewGroup> = {}): NewGroup => ({
  cycleId,
  stepId,
  policyVersion: 0,
  outcome: 'drawn',
  reason: '',
  drawn: 2,
  redacted: 0,
  createdAt: 1,
  samples: [sample(cycleId, stepId, 1), sample(cycleId, stepId, 2, { cut: true, bound: 'own' })],
  ...part,
});

function batchOf(id: string, { samples }: NewGroup): [Batch, BatchItem[]] {
  const examples = samples.map((each) => ({ ...each, trajectoryId: 't', advantage: 1 }));
  const hyper = hyperDefaults('resample', undefined, 1);
  const head = { batchId: id, mode: 'resample', baseVersion: 0, targetVersion: 1, templateHash: '', hyper } as const;
  return [assemble(head, examples), examples.map(({ id: itemId, stepId }) => ({ itemId, stepId, advantage: 1 }))];
}

describe.each(STORES)('$name', ({ open }) => {
  let logged: Logged;
  let gyre: LearningStore;
  let [first, second] = ['', ''];
  beforeEach(async () => {
    logged = open();
    gyre = logged.of('gyre');
    const begin = async (): Promise<string> => (await gyre.cycles.begin({ mode: 'resample', filter: 'none' })).id;
    first = await begin();
    await gyre.cycles.move(first, { state: 'done' });
    second = await begin();
  });
  const settle = (cycleId: string, stepId: string, outcome: 'informative' | 'zero_spread'): Promise<void> =>
    gyre.samples.settle([{ cycleId, stepId, outcome, rewarded: 2, mean: 0.5, spread: 1 }]);
  const openSteps = async (cycleId: string, rows: LearningStore = gyre): Promise<string[]> =>
    (await rows.samples.open(cycleId)).map(({ stepId }) => stepId);

  it('are kept whole and once, with whose bound cut what', async () => {
    const step = await logged.said('one');
    expect(await gyre.samples.save(group(second, step))).toBe(true);
    expect(await gyre.samples.save(group(second, step, { samples: [sample(second, step, 9)] }))).toBe(true);
    expect(await gyre.samples.of(second)).toEqual(group(second, step).samples);
    const { samples: _, ...row } = group(second, step);
    expect(await gyre.samples.groups(second)).toEqual([row]);
    expect((await gyre.samples.open(second))[0]).toMatchObject({
      ...group(second, step),
      trajectoryId: expect.stringMatching(/^traj/) as string,
    });
  });

  it('are not kept of a step that is gone, and go with it', async () => {
    const [there, gone] = [await logged.said('one'), await logged.said('two')];
    await gyre.samples.save(group(second, gone));
    await logged.forget(gone);
    expect(await gyre.samples.groups(second)).toEqual([]);
    expect(await gyre.samples.save(group(second, gone))).toBe(false);
    expect(await gyre.samples.of(second)).toEqual([]);
    expect(await gyre.samples.save(group(second, there))).toBe(true);
  });

  it('are open where actions were drawn; of earlier cycles where they are informative', async () => {
    const [a, b, c, d] = [
      await logged.said('a'),
      await logged.said('b'),
      await logged.said('c'),
      await logged.said('d'),
    ];
    await gyre.samples.save(group(first, a, { createdAt: 1 }));
    await gyre.samples.save(group(first, b, { createdAt: 2 }));
    await gyre.samples.save(group(second, c, { createdAt: 3 }));
    await gyre.samples.save(group(second, d, { outcome: 'refused', reason: 'too long', samples: [], drawn: 0 }));
    expect(await openSteps(second)).toEqual([c]);
    await settle(first, a, 'informative');
    await settle(first, b, 'zero_spread');
    await settle(second, c, 'zero_spread');
    expect(await openSteps(second)).toEqual([a, c]);
    expect((await gyre.samples.open(second))[0]?.samples).toEqual(group(first, a).samples);
  });

  it('are taken by one batch, and free again where that failed untried', async () => {
    const step = await logged.said('one');
    const made = group(first, step);
    await gyre.samples.save(made);
    await settle(first, step, 'informative');
    expect(await gyre.batches.save(second, ...batchOf('bat-1', made))).toBe('saved');
    expect(await openSteps(second)).toEqual([]);
    await settle(first, step, 'zero_spread');
    await gyre.batches.move('bat-1', 'failed', 'the trainer was away');
    // Settling changes nothing of what a batch has.
    expect((await gyre.samples.groups(first))[0]?.outcome).toBe('informative');
    expect(await openSteps(second)).toEqual([step]);
  });

  it('are used up where the trainer has tried them', async () => {
    const step = await logged.said('one');
    const made = group(second, step);
    await gyre.samples.save(made);
    await settle(second, step, 'informative');
    await gyre.batches.save(second, ...batchOf('bat-1', made));
    await gyre.batches.move('bat-1', 'sent');
    await gyre.batches.move('bat-1', 'failed', 'kl_bound', true);
    expect((await gyre.samples.groups(second))[0]?.outcome).toBe('update_refused');
    const third = await gyre.cycles.begin({ mode: 'resample', filter: 'none' });
    expect(await openSteps(third.id)).toEqual([]);
  });

  it('are free again where a deletion empties a batch that was not sent', async () => {
    const [kept, gone] = [await logged.said('one'), await logged.said('two')];
    const groups = [group(second, kept), group(second, gone)];
    for (const each of groups) await gyre.samples.save(each);
    for (const stepId of [kept, gone]) await settle(second, stepId, 'informative');
    const [batch, items] = batchOf('bat-1', {
      ...group(second, kept),
      samples: groups.flatMap((each) => each.samples),
    });
    await gyre.batches.save(second, batch, items);
    await logged.forget(gone);
    expect(await gyre.batches.byId('bat-1')).toMatchObject({ state: 'failed' });
    expect(await openSteps(second)).toEqual([kept]);
  });

  it('are one policy’s', async () => {
    const other = logged.of('other');
    const step = await logged.said('one');
    await gyre.samples.save(group(first, step));
    await settle(first, step, 'informative');
    expect(await other.samples.groups(first)).toEqual([]);
    const theirs = await other.cycles.begin({ mode: 'resample', filter: 'none' });
    expect(await openSteps(theirs.id, other)).toEqual([]);
    await other.samples.settle([{ cycleId: first, stepId: step, outcome: 'zero_spread', rewarded: 0 }]);
    expect(await openSteps(second)).toEqual([step]);
  });
});
