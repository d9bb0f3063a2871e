/** Which labels are held out as they grow and are taken back, over real rows. */
import { expect, test } from 'vitest';

import type { LearnedJudge } from '../../../src/core/config.js';
import { labelledFor, type Labelled } from '../../../src/learner/judges/labelled.js';
import { world } from './learned_world.js';

test('what any version was trained on is never gold or fit later, however many labels come and go', async () => {
  const { steps, tend, label, learner, judgeConfig, versions } = await world(
    { heldout: undefined },
    { calibration: { items: 40 } },
  );
  const trained = new Set<string>();
  const look = async (judge: LearnedJudge = judgeConfig): Promise<Labelled> => {
    const labelled = await labelledFor(learner, judge);
    for (const { stepId, part } of labelled.steps) {
      if (trained.has(stepId)) expect(part).toBe('train');
      if (part === 'train') trained.add(stepId);
    }
    return labelled;
  };
  const few = await steps(80);
  const first = await look();
  expect(first.heldOut).toEqual({ gold: 0.45, fit: 0.6 });
  await tend();
  const many = await steps(120);
  const second = await look();
  expect(second.heldOut.gold).toBeCloseTo(0.23);
  // More of what was held out at first is trained on now.
  expect(first.gold.length).toBeGreaterThan(second.gold.filter((id) => few.includes(id)).length);
  await tend();
  expect(versions()[0]).toMatchObject({ version: 2, state: 'serving', heldOut: second.heldOut });
  for (const id of many) label(id, undefined);
  const third = await look();
  expect(third.steps).toHaveLength(80);
  expect(third.heldOut).toEqual(second.heldOut);
  expect((await look({ ...judgeConfig, heldout: 0.6 })).heldOut).toEqual({
    gold: second.heldOut.gold,
    fit: second.heldOut.fit,
  });
});

test('one that was cut off goes on with what it held out', async () => {
  const { steps, tend, trainer, learner, judgeConfig, versions } = await world({ heldout: undefined });
  await steps(140);
  trainer.away = true;
  await expect(tend()).rejects.toMatchObject({ code: 'trainer_unreachable' });
  trainer.away = false;
  const [begun] = versions();
  const again = await labelledFor(learner, { ...judgeConfig, heldout: 0.1 }, begun);
  expect([again.hash, again.heldOut]).toEqual([begun?.labelsHash, begun?.heldOut]);
  await tend();
  expect(versions()).toMatchObject([{ version: 1, state: 'serving' }]);
});
