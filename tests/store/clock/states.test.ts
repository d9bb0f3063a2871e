/** The states of every store behind the learning clock's ports. */
import { beforeEach, describe, expect, it } from 'vitest';

import type { LearningStore } from '../../../src/core/ports.js';
import { ruleOf } from '../../../src/filter/filter.js';
import { type Logged, STORES } from './stores.js';

const RULE = ruleOf('none', 'resample', 0);
const HEAD = { head: 1, reuse: 2 };
const OPEN = { ...HEAD, mode: RULE.mode, limit: 10, perTrajectory: 2, seed: 's' } as const;

describe.each(STORES)('$name', ({ open }) => {
  let logged: Logged;
  let gyre: LearningStore;
  const counted = async (rows: LearningStore = gyre): Promise<void> => {
    while (await rows.states.count(RULE));
  };
  const openIn = async (rows: LearningStore = gyre): Promise<string[]> =>
    (await rows.states.open(OPEN)).map(({ stepId }) => stepId);

  beforeEach(() => {
    logged = open();
    gyre = logged.of('gyre');
  });

  it('states are open that the rule keeps, each once, and every drop has a reason', async () => {
    const first = await logged.said('one');
    await logged.said('one');
    await logged.said('two', { consent: false });
    await counted();
    expect(await gyre.states.open(OPEN)).toMatchObject([{ stepId: first, again: 1, visits: 0 }]);
    expect(await gyre.states.tally(RULE, HEAD)).toMatchObject({
      open: 1,
      dropped: { no_consent: 1, same_state: 1 },
      givers: [{ giver: '', states: 1 }],
      counting: undefined,
    });
    expect(await gyre.states.reasons([RULE, ruleOf('process', 'resample', 0)])).toEqual([
      { '': 2, no_consent: 1 },
      { unjudged: 2, no_consent: 1 },
    ]);
  });

  it('counting is done when it says so, and begins again with what is new', async () => {
    await logged.said('one');
    expect((await gyre.states.tally(RULE, HEAD)).counting).toBeDefined();
    await counted();
    expect(await gyre.states.count(RULE)).toBe(false);
    await logged.said('two');
    expect((await gyre.states.tally(RULE, HEAD)).counting).toEqual({ done: 0, total: 1 });
    await counted();
    expect(await openIn()).toHaveLength(2);
  });

  it('a visit of one policy is none of another, and what is deleted is gone for all', async () => {
    const other = logged.of('other');
    const stepId = await logged.said('one');
    for (const rows of [gyre, other]) await counted(rows);
    const { id } = await gyre.cycles.begin({ mode: 'resample', filter: 'none' });
    await gyre.cycles.claim(id, 'resample', [{ stepId, same: [] }]);
    await gyre.states.visited([{ stepId, version: 1, rate: 0 }]);
    expect([await openIn(gyre), await openIn(other)]).toEqual([[], [stepId]]);
    await logged.forget(stepId);
    for (const rows of [gyre, other]) {
      expect(await openIn(rows)).toEqual([]);
      expect(await rows.states.tally(RULE, HEAD)).toMatchObject({ open: 0, dropped: {} });
    }
  });

  it('a cycle that holds claims is given what it holds', async () => {
    const [one, two] = [await logged.said('one'), await logged.said('two')];
    await counted();
    const { id } = await gyre.cycles.begin({ mode: 'resample', filter: 'none' });
    const claims = (stepId: string): [{ stepId: string; same: string[] }] => [{ stepId, same: [] }];
    expect(await gyre.cycles.claim(id, 'resample', claims(one))).toEqual([one]);
    expect(await gyre.cycles.claim(id, 'resample', claims(two))).toEqual([one]);
    expect((await gyre.cycles.claimed(id)).map(({ stepId }) => stepId)).toEqual([one]);
  });
});
