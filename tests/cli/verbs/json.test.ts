/** What the verbs print with `--json` of versions, decisions, cycles and evaluations is what the routes tell. */
import { afterEach, expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { evaluateVerb, learnVerb } from '../../../src/cli/verbs/learning.js';
import { promoteVerb, statusVerb } from '../../../src/cli/verbs/operate.js';
import { SHAPES } from '../../../src/http/openapi/shapes.js';
import { announce } from '../../../src/run/presence.js';
import type { Printer } from '../../../src/run/print.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { bench, type Bench, sum } from '../../learner/bench.js';

const TRAIN = [sum('a', 11, 22), sum('b', 33, 44)];

let made: Bench;
afterEach(async () => made.close());

/** What `work` prints as its result. */
async function printed(work: (printer: Printer) => Promise<unknown>): Promise<Readonly<Record<string, unknown>>> {
  let said: unknown;
  await work({ result: (value) => void (said = value), progress: () => undefined, line: () => undefined });
  return JSON.parse(JSON.stringify(said)) as Readonly<Record<string, unknown>>;
}

test('cycles, an evaluation, a promotion and the status are spelled as the routes spell them', async () => {
  made = await bench();
  const { learner, store, folder } = made;
  const config = { ...learner.config, data: folder };

  const learned = await printed((printer) => learnVerb(learner, { tasks: TRAIN, cycles: 1, perTask: 1 }, printer));
  expect(learned).toMatchObject({ serving: 0, head: 1, cycles: [{ state: 'done', base_version: 0 }] });
  for (const cycle of learned['cycles'] as unknown[])
    expect(SHAPES.Cycle.strict().safeParse(cycle).error).toBeUndefined();

  const evaluated = await printed((printer) => evaluateVerb(learner, [sum('h', 5, 6, 'heldout')], 'gyre@1', printer));
  expect(evaluated).toMatchObject({
    version: 1,
    task_set: expect.any(String) as string,
    results: [{ task_id: 'h', trajectory_id: expect.stringMatching(/^traj-/) as string, score: 1 }],
    accuracy: 1,
    n: 1,
  });
  expect(Number(evaluated['created_at'])).toBeCloseTo(Date.now() / 1000, -2);
  expect(Object.keys(evaluated).filter((key) => /[A-Z]/.test(key))).toEqual([]);

  decide(store.db, GYRE_POLICY, { kind: 'gate', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
  const promoted = await printed((printer) => promoteVerb(config, '1', printer));
  expect(SHAPES.Decision.strict().safeParse(promoted).error).toBeUndefined();
  expect(promoted).toMatchObject({ kind: 'promotion', version: 1, against: 0 });

  announce(folder, { url: 'http://127.0.0.1:1', trainer: undefined, learn: false });
  const status = await printed((printer) => statusVerb(config, printer));
  expect(SHAPES.Status.safeParse(status).error).toBeUndefined();
  expect(status).toMatchObject({
    gateway: { pid: process.pid, start_time: expect.any(String) as string, learn: false, trainer: null },
    serving: 1,
    last: { base_version: 0 },
    withdrawn_tools: [],
  });
});
