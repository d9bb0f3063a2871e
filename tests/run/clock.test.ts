/**
 * The learning clock as a process of its own, over real rows, with the scripted engine and a trainer that trains
 * nothing.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, test, vi } from 'vitest';

import { type LearningClock, openClock } from '../../src/run/clock.js';
import { childEnvironment } from '../../src/run/child_environment.js';
import { parseConfig } from '../../src/core/config.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { adapterName, adapterVersion } from '../../src/core/learning/version.js';
import { generate } from '../../src/learner/generating.js';
import { cycleById, cyclesOf } from '../../src/store/learning/cycles.js';
import { decisionsOf, headVersion } from '../../src/store/learning/decisions.js';
import type { EngineRequest, Reply } from '../fakes/engine.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../learner/bench.js';

interface Started {
  readonly made: Bench;
  readonly clock: LearningClock;
  readonly warnings: string[];
  /** Versions the decision rows named each time serving was told to follow. */
  readonly followed: number[];
  trainer: string | undefined;
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A log with eight states worth learning from, which is what an update takes, and a clock over it. */
async function start(
  config: Record<string, unknown> = {},
  script: (request: EngineRequest) => Reply = arithmetic,
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-clock-'));
  const made = await bench({ folder, script });
  const asked = [sum('a', 11, 22), sum('b', 33, 44), sum('c', 12, 13), sum('d', 21, 52)];
  tasks(made, [...asked, ...Array.from({ length: 15 }, (_, at) => sum(`h${at}`, at + 50, at + 7, 'heldout'))]);
  await generate(made.learner, asked, 1, 0);
  const warnings: string[] = [];
  const followed: number[] = [];
  const started: { trainer: string | undefined } = { trainer: made.trainer.url };
  const clock = openClock({
    config: { ...parseConfig({ learning: { samples: 3, min_steps: 1 }, ...config }), data: folder },
    trainer: () => (started.trainer === undefined ? undefined : { url: started.trainer, token: 'a-token' }),
    env: childEnvironment({ ...process.env, OPENAI_API_KEY: 'a-secret' }),
    decided: () => {
      followed.push(decisionsOf(made.store.db, GYRE_POLICY, 1)[0]?.version ?? -1);
      return Promise.resolve();
    },
    warn: (text) => warnings.push(text),
  });
  closers.push(async () => {
    await clock.stop();
    await made.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return Object.assign(started, { made, clock, warnings, followed });
}

test('a cycle asked for is a row at once, and its end is in the rows of the same folder', async () => {
  const { made, clock } = await start();
  const begun = await clock.cycle({ gate: false });
  expect(begun.state).toBe('running');
  await expect(clock.cycle({ gate: false })).rejects.toMatchObject({ status: 409, code: 'cycle_running' });
  await vi.waitFor(() => expect(cycleById(made.store.db, GYRE_POLICY, begun.id)?.state).toBe('done'), 20_000);
  expect(made.trainer.applied).toHaveLength(1);
  expect(headVersion(made.store.db, GYRE_POLICY)).toBe(1);
}, 40_000);

test('its process has the environment it needs, and no secret that lies beside it', async () => {
  await start();
  const children = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('clock_process') &&
          readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(process.pid)
        );
      } catch {
        return false; // it ended meanwhile
      }
    });
  expect(children).toHaveLength(1);
  const given = readFileSync(`/proc/${children[0] ?? ''}/environ`, 'utf8');
  expect(given).toContain(`PATH=${process.env['PATH'] ?? ''}`);
  expect(given).not.toContain('a-secret');
  expect(given).not.toContain('a-token');
}, 40_000);

test('serving follows a decision before the clock goes on', async () => {
  // Version 0 never answers a held-out question rightly, so the gate passes what was trained.
  const unlearned = (request: EngineRequest): Reply =>
    request.body.model === 'base' && request.body['temperature'] === 0
      ? { text: 'I do not know.' }
      : arithmetic(request);
  const { made, clock, followed } = await start({}, unlearned);
  const begun = await clock.cycle({ gate: true });
  await vi.waitFor(() => expect(cycleById(made.store.db, GYRE_POLICY, begun.id)?.state).not.toBe('running'), 20_000);
  expect(decisionsOf(made.store.db, GYRE_POLICY, 10).map(({ kind }) => kind)).toEqual(['promotion', 'gate', 'parity']);
  expect(followed).toEqual([1]);
}, 40_000);

test('it learns by itself where it is told to', async () => {
  const { made } = await start({ learn: true });
  await vi.waitFor(() => expect(cyclesOf(made.store.db, GYRE_POLICY, 1)[0]?.state).toBe('done'), 30_000);
}, 60_000);

test('without a trainer nothing is started, and a cycle is refused with what to do', async () => {
  const started = await start();
  started.trainer = undefined;
  await expect(started.clock.cycle({ gate: true })).rejects.toMatchObject({
    status: 503,
    side: 'trainer',
    code: 'no_trainer',
  });
});

test('when the trainer moves, another process takes over with its new address', async () => {
  const started = await start();
  started.trainer = 'http://127.0.0.1:1';
  await vi.waitFor(
    async () => {
      started.trainer = started.made.trainer.url;
      expect((await started.clock.cycle({ gate: false })).state).toBe('running');
    },
    { timeout: 20_000, interval: 500 },
  );
  expect(started.warnings.filter((text) => text.includes('starts again'))).toEqual([]);
}, 40_000);

test('a cycle in whose middle the trainer moved is gone on with, and its batch is applied once', async () => {
  const started = await start();
  const { made, clock } = started;
  made.trainer.slow = true;
  const begun = await clock.cycle({ gate: false });
  await vi.waitFor(() => expect(cycleById(made.store.db, GYRE_POLICY, begun.id)?.stage).toBe('train'), 20_000);
  await vi.waitFor(() => expect(made.trainer.applied).toHaveLength(1), 20_000);
  // The same trainer under another name: what matters is that the address is a new one.
  started.trainer = made.trainer.url.replace('127.0.0.1', 'localhost');
  made.trainer.slow = false;
  await vi.waitFor(() => expect(cycleById(made.store.db, GYRE_POLICY, begun.id)?.state).toBe('done'), 20_000);
  expect(made.trainer.applied).toHaveLength(1);
  expect(cyclesOf(made.store.db, GYRE_POLICY, 10)).toHaveLength(1);
}, 60_000);

test('the name of a version and back', () => {
  expect([0, 7, 1_234_567].map((version) => adapterVersion(adapterName(version)))).toEqual([0, 7, 1_234_567]);
  expect(['gyre', 'gyre-v12', 'other'].map(adapterVersion)).toEqual([undefined, undefined, undefined]);
});
