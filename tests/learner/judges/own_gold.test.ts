/** A judge that was just trained against its own gold, cluster by cluster. */
import { expect, test } from 'vitest';

import { judgeLog } from '../../../src/learner/judging.js';
import { type EngineRequest, type Reply, tokenId } from '../../fakes/engine.js';
import { knowing, world } from './learned_world.js';

const UPSIDE_DOWN = tokenId(' Multiply');

/** Says the opposite of what is right where it is asked to multiply. */
const wrongThere = (request: EngineRequest): Reply => {
  const ids = (request.body as unknown as { prompt: readonly number[] }).prompt;
  const { preference = 0 } = knowing(request) as { preference?: number };
  return { preference: ids.includes(UPSIDE_DOWN) ? -preference : preference };
};
const multiply = { wording: (n: number): string => `Multiply ${n} and seven for me` };

test('where it is surely wrong too often it is silent from then on, and it may reward elsewhere', async () => {
  const { steps, tend, versions, calibrated, learner, all } = await world({ heldout: 0.6 }, { script: wrongThere });
  await steps(80);
  await steps(80, multiply);
  const rest = await steps(3, { by: '' });
  const silent = await steps(3, { by: '', ...multiply });
  await tend();
  const [version] = versions();
  const [{ numbers, version: named } = { numbers: undefined }] = calibrated;
  expect(calibrated).toHaveLength(1);
  expect(named).toBe(version?.judgeVersion);
  expect(learner.judges.find(({ name }) => name === 'critic')?.version).toBe(named);
  expect(version?.known.map(({ wrong }) => wrong?.accuracy).toSorted()).toEqual([0, undefined]);
  expect(numbers?.accuracy.accuracy).toBe(1);
  expect(numbers?.abstained).toBeGreaterThanOrEqual(20);
  expect(numbers?.clusters.map(({ name, accuracy }) => [name.replace(/\d+/, 'N'), accuracy.n > 0])).toEqual(
    expect.arrayContaining([
      ['calls calculator #N', true],
      ['calls calculator #N', false],
    ]),
  );
  expect(version?.note).toMatch(/accuracy 1\.000.*; it is silent on calls calculator #\d \(right in 0\.00 of \d+ gold/);
  await judgeLog(learner);
  const words = new Map(
    (
      all("SELECT subject_id AS id, good, rationale FROM verdicts WHERE judge = 'critic'") as {
        id: string;
        good: number | null;
        rationale: string;
      }[]
    ).map(({ id, ...word }) => [id, word]),
  );
  expect(rest.map((id) => words.get(id)?.good)).not.toContain(null);
  for (const id of silent)
    expect(words.get(id)).toMatchObject({
      good: null,
      rationale: expect.stringContaining('too often wrong') as string,
    });
});

test('with few gold items in a cluster, or right enough there, it goes on speaking', async () => {
  const { steps, tend, versions, calibrated } = await world({ heldout: 0.3 }, { script: wrongThere });
  await steps(60);
  await steps(30, multiply);
  await tend();
  expect(calibrated).toHaveLength(1);
  expect(versions()[0]?.known.every(({ wrong }) => wrong === undefined)).toBe(true);
  expect(calibrated[0]?.numbers.accuracy.accuracy).toBeLessThan(1);
});

test('what the policy did is what its own model did', async () => {
  const { steps, tend, calibrated } = await world();
  await steps(60);
  await tend();
  const [{ numbers } = { numbers: undefined }] = calibrated;
  expect(numbers?.authors.map(({ name }) => name)).toEqual(['gyre']);
  expect(numbers?.selfPreference?.others.n).toBe(0);
});
