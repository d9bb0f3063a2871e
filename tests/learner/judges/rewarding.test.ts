/** Who may reward, while a learning clock runs: no calibration, no update; one that is made beside it takes effect. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { calibrateVerb } from '../../../src/cli/verbs/judges.js';
import { type Config, parseConfig } from '../../../src/core/config.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Task } from '../../../src/core/learning/task.js';
import { runCycle } from '../../../src/learner/cycle.js';
import type { Learner } from '../../../src/learner/deps.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { presentJudges } from '../../../src/run/judges/present.js';
import { learnerOf } from '../../../src/run/learner.js';
import { withLearner } from '../../../src/run/with_learner.js';
import { headVersion } from '../../../src/store/learning/decisions.js';
import { judgeEndpoint, type JudgeEndpoint, type Script } from '../../judge/model/endpoint.js';
import { bench, type Bench, sum } from '../bench.js';
import { statusOf } from '../counted.js';
import { goldFile, honest, liar } from './sums.js';

let script: Script;
let endpoint: JudgeEndpoint;
let made: Bench;
beforeEach(async () => {
  script = honest;
  endpoint = await judgeEndpoint((asked, times) => script(asked, times));
  made = await bench();
});
afterEach(async () => {
  await made.close();
  await endpoint.close();
});

const configOf = (judge: object = {}): Config =>
  parseConfig({
    data: made.folder,
    learning: { samples: 3, max_states: 32, min_steps: 1, rewards: ['critic'] },
    judges: [{ name: 'critic', kind: 'model', url: endpoint.url, model: 'judge-7b', retries: 0, ...judge }],
  });

/** As the learning clock's process has it, over the bench's engine and trainer. */
function learnerWith(config: Config): Learner {
  const { store, learner } = made;
  const whole = learnerOf({
    config,
    storage: {
      db: store.db,
      log: learner.log,
      tools: learner.toolbox,
      toolServers: { prepare: () => Promise.resolve() } as unknown as Parameters<
        typeof learnerOf
      >[0]['storage']['toolServers'],
    },
    policy: learner.policy,
    tokens: () => Promise.reject(new Error('no judge here is trained')),
    supply: () => ({
      trainer: learner.trainer,
      health: undefined,
      defaults: undefined,
      parts: () => [],
      ready: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    }),
    signal: learner.signal,
    decided: () => Promise.resolve(),
    progress: () => undefined,
  });
  // Its getters are to be asked, so it stays itself.
  return Object.create(whole, {
    bounds: { value: { leastGroups: 1 } },
    templateHash: { value: 'sha256:t' },
    contextLength: { value: 2048 },
  }) as Learner;
}

/** As "gyre judge calibrate" beside a gateway: another process would have its own connection, too. */
const calibrate = (config: Config): Promise<void> => {
  const quiet = { result: () => undefined, progress: () => undefined, line: () => undefined };
  return withLearner(config, quiet, new AbortController().signal, false, (learner) =>
    calibrateVerb(learner, 'critic', goldFile(made.folder), quiet),
  );
};

/** Nobody has a reference of these. */
const TASKS: readonly Task[] = [sum('a', 12, 30), sum('b', 5, 6), sum('c', 40, 2)].map(
  ({ reference: _, ...task }) => task,
);
const roleOf = ({ declared }: Learner): string | undefined => declared.find(({ name }) => name === 'critic')?.role;
const told = (): unknown => made.store.sqlite.prepare('SELECT sum(gradable) AS told FROM decided').get();
const waitsFor = (config: Config): string =>
  statusOf(made.store.db, config, { trainer: true, learn: true, judges: presentJudges(config, made.store.db) })
    .waiting_for;

test('without a calibration nothing is updated; with one made meanwhile its verdicts make the update', async () => {
  const config = configOf();
  const learner = learnerWith(config);
  const first = await runCycle(learner, { tasks: TASKS, heldout: [] });
  expect(first).toMatchObject({ state: 'skipped', counts: { states: 0 } });
  expect([roleOf(learner), told(), headVersion(made.store.db, GYRE_POLICY)]).toEqual(['filters', { told: 0 }, 0]);
  expect(waitsFor(config)).toMatch(/^a judge that may reward: there is none.*"critic" only filters: it is not calibr/);

  await calibrate(config);
  expect(roleOf(learner)).toBe('decides');
  // The verb has decided anew about what was judged before.
  expect(told()).not.toEqual({ told: 0 });
  const second = await runCycle(learner, { heldout: [] });
  expect(second.state, second.note).toBe('done');
  expect(headVersion(made.store.db, GYRE_POLICY)).toBe(1);
  const right = made.store.sqlite
    .prepare(
      `SELECT d.judge, d.good, count(*) AS n FROM decided d WHERE d.subject_kind = 'sample' GROUP BY d.judge, d.good`,
    )
    .all();
  expect(right).toEqual(
    expect.arrayContaining([
      { judge: 'critic', good: 0, n: expect.any(Number) as number },
      { judge: 'critic', good: 1, n: expect.any(Number) as number },
    ]),
  );
  const batch = made.trainer.applied[0] as { readonly actions: readonly { id: string; advantage: number }[] };
  const goodOf = made.store.sqlite.prepare<[string], { good: number }>(
    "SELECT good FROM decided WHERE subject_kind = 'sample' AND subject_id = ?",
  );
  expect(batch.actions.length).toBeGreaterThan(3);
  for (const { id, advantage } of batch.actions) expect(Math.sign(advantage)).toBe(goodOf.get(id)?.good === 1 ? 1 : -1);
});

test('another version of it has no right: what was decided by it is decided anew, and nothing is updated', async () => {
  const config = configOf();
  const learner = learnerWith(config);
  await runCycle(learner, { tasks: TASKS, heldout: [] });
  await calibrate(config);
  expect(told()).not.toEqual({ told: 0 });
  const other = configOf({ model: 'judge-70b' });
  const changed = learnerWith(other);
  expect([roleOf(learner), roleOf(changed)]).toEqual(['decides', 'filters']);
  await judgeLog(changed);
  expect(told()).toEqual({ told: 0 });
  expect(await runCycle(changed, { heldout: [] })).toMatchObject({ state: 'skipped', counts: { states: 0 } });
  expect(waitsFor(other)).toContain('it was calibrated as version');
});

test('one that lies fails its calibration, and so never rewards', async () => {
  script = liar;
  const config = configOf();
  const learner = learnerWith(config);
  await runCycle(learner, { tasks: TASKS, heldout: [] });
  await calibrate(config);
  expect([roleOf(learner), told()]).toEqual(['filters', { told: 0 }]);
  expect(await runCycle(learner, { heldout: [] })).toMatchObject({ state: 'skipped' });
  expect(headVersion(made.store.db, GYRE_POLICY)).toBe(0);
  expect(waitsFor(config)).toContain('its accuracy is at least 0.000, and has to be above 0.75');
});
