/**
 * What an upstream sampled is in the log beside what the policy did, and no stage of learning takes it up, however
 * trainable it looks.
 */
import { afterEach, expect, test } from 'vitest';

import { type FilterName, FILTERS, TRAIN_MODES, type TrainMode } from '../../src/core/learning/cycle.js';
import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { judgeLog } from '../../src/learner/judging.js';
import type { EngineRequest, Reply } from '../fakes/engine.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';
import { select, statusOf } from './counted.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const OURS = sum('ours', 11, 22);
const THEIRS = sum('theirs', 33, 44);

/** Calls rightly and then answers wrongly, so that every mode has something to tell apart. */
const halfRight = (request: EngineRequest): Reply =>
  request.body.messages.at(-1)?.role === 'tool'
    ? {
        variants: [
          { text: 'The answer is 1.' },
          { text: `The answer is ${String(request.body.messages.at(-1)?.content)}.` },
        ],
      }
    : arithmetic(request);

/** Four steps with ids, log-probabilities and consent; the later two are an upstream's by nothing but their version. */
async function mixed(config: Record<string, unknown> = {}): Promise<Bench & { readonly theirs: readonly string[] }> {
  const made = (open = await bench({ config, script: halfRight }));
  tasks(made, [OURS, THEIRS]);
  await generate(made.learner, [OURS], 1, 0);
  await generate(made.learner, [THEIRS], 1, 0);
  const { sqlite } = made.store;
  const theirs = sqlite
    .prepare<[], { id: string }>(
      "SELECT s.id FROM steps s JOIN trajectories t ON t.id = s.trajectory_id WHERE t.task_id = 'theirs'",
    )
    .all()
    .map((row) => row.id);
  for (const id of theirs) sqlite.prepare('UPDATE steps SET policy_version = -1 WHERE id = ?').run(id);
  // A client asked it: what an upstream is asked in order to be learned from is another thing (`taught.test.ts`).
  sqlite.prepare("UPDATE trajectories SET origin = 'live' WHERE task_id = 'theirs'").run();
  expect(
    sqlite
      .prepare(
        'SELECT count(*) AS whole FROM steps WHERE not_trainable IS NULL AND logprobs IS ' +
          'NOT NULL AND prompt_suffix IS NOT NULL',
      )
      .get(),
  ).toEqual({ whole: 4 });
  return { ...made, theirs };
}

test('no filter in no mode keeps a step of an upstream, and each says how many there were', async () => {
  const { learner, theirs, store } = await mixed();
  await judgeLog(learner);
  for (const mode of TRAIN_MODES as TrainMode[]) {
    for (const filter of FILTERS as FilterName[]) {
      const { kept, dropped } = select(store.db, filter, mode);
      expect(
        kept.map((state) => state.stepId).filter((id) => theirs.includes(id)),
        `${filter} in ${mode}`,
      ).toEqual([]);
      expect(dropped['upstream']).toBe(2);
    }
  }
  expect(select(store.db, 'none', 'resample').kept).toHaveLength(2);
  expect(statusOf(store.db, learner.config, { trainer: true, learn: true }).dropped).toMatchObject({
    upstream: 2,
  });
});

test.each(TRAIN_MODES)('a whole cycle of mode %s judges, samples and trains only what the policy did', async (mode) => {
  const { learner, theirs, store } = await mixed({ learning: { samples: 3, mode, filter: 'none' } });
  await runCycle(learner, { heldout: [] });
  const touched = ['cycle_steps', 'samples', 'batch_items'].flatMap((table) =>
    store.sqlite
      .prepare<[], { step_id: string }>(`SELECT step_id FROM ${table}`)
      .all()
      .map((row) => row.step_id),
  );
  expect(touched.length).toBeGreaterThan(0);
  expect(touched.filter((id) => theirs.includes(id))).toEqual([]);
  const judged = store.sqlite
    .prepare<[], { subject_id: string }>("SELECT subject_id FROM verdicts WHERE subject_kind = 'step'")
    .all()
    .map((row) => row.subject_id);
  expect(judged.length).toBeGreaterThan(0);
  expect(judged.filter((id) => theirs.includes(id))).toEqual([]);
});

test("much traffic of upstreams does not push the policy's own steps out of sight", async () => {
  const { theirs, store } = await mixed();
  const { kept } = select(store.db, 'none', 'resample');
  expect(kept).toHaveLength(2);
  expect(kept.filter((row) => theirs.includes(row.stepId))).toEqual([]);
});
