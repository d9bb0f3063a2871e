/** What the learning clock does, told from its rows; and what serving does when it follows a decision. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { NewsWatch } from '../../../src/run/lines/learning.js';
import type { Output } from '../../../src/run/lines/output.js';
import type { Drift } from '../../../src/core/judging/drift.js';
import type { Cycle } from '../../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { follow } from '../../../src/learner/following/follow.js';
import { followed, learningNews } from '../../../src/store/clock/followed.js';
import { openEngine } from '../../../src/policy/serving/current_engine.js';
import { openServing } from '../../../src/policy/serving/serving.js';
import type { Fields } from '../../../src/run/lines/fields.js';
import { openStore, type Store } from '../../../src/store/file/db.js';
import { moveCycle, saveCycle } from '../../../src/store/learning/cycles.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveDrifts } from '../../../src/store/judges/drifts.js';
import { saveVersion } from '../../../src/store/learning/versions.js';

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-lines-'));
  store = openStore(folder);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const CYCLE: Cycle = {
  id: 'cyc-1',
  state: 'running',
  stage: 'judge',
  mode: 'resample',
  filter: 'prefix',
  baseVersion: 0,
  counts: {},
  note: '',
  startedAt: 1,
  updatedAt: 1,
};

test('a cycle and a decision are told once each as they happen, what was there before is not', async () => {
  saveCycle(store.db, GYRE_POLICY, { ...CYCLE, id: 'cyc-0' });
  const told: [string, Fields, string | undefined][] = [];
  const warnings: string[] = [];
  const output: Output = {
    line: () => undefined,
    warn: (text) => warnings.push(text),
    fault: () => undefined,
    event: (name, fields, text) => void told.push([name, fields, text]),
  };
  const news = new NewsWatch(() => Promise.resolve().then(() => learningNews(store.db, GYRE_POLICY)), output);
  await news.start();
  try {
    saveCycle(store.db, GYRE_POLICY, CYCLE);
    await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 10_000 });
    moveCycle(store.db, GYRE_POLICY, 'cyc-1', { state: 'done', note: 'made version 1' });
    decide(store.db, GYRE_POLICY, {
      kind: 'gate',
      version: 1,
      against: 0,
      passed: false,
      reason: 'difference 0',
      numbers: {},
    });
    await vi.waitFor(() => expect(told).toHaveLength(3), { timeout: 10_000 });
    expect(told).toEqual([
      [
        'cycle',
        { cycle: 'cyc-1', state: 'running', stage: 'judge', base_version: 0, reason: undefined },
        'learning cycle cyc-1: judge',
      ],
      [
        'cycle',
        { cycle: 'cyc-1', state: 'done', stage: 'judge', base_version: 0, reason: 'made version 1' },
        'learning cycle cyc-1: done, made version 1',
      ],
      [
        'decision',
        { kind: 'gate', version: 1, against: 0, passed: false, reason: 'difference 0' },
        'gate of version 1: no, difference 0',
      ],
    ]);
    told.length = 0;
    const made = { kind: 'trained', createdAt: 2 } as const;
    saveVersion(store.db, GYRE_POLICY, {
      ...made,
      version: 1,
      parent: 0,
      batchId: 'b1',
      metrics: { kl_before: 0.01, kl_base: 0.5 },
    });
    saveVersion(store.db, GYRE_POLICY, {
      ...made,
      version: 2,
      parent: 1,
      batchId: 'b2',
      metrics: { grad_norm: 250, kl_base: 0.9 },
    });
    await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 10_000 });
    expect(told).toEqual([
      [
        'alarm',
        {
          alarm: 'grad_norm',
          version: 2,
          value: 250,
          bound: 100,
          reason: 'grad_norm 250: norm of the gradient before clipping (at most 100)',
        },
        'alarm at the update to version 2: grad_norm 250: norm of the gradient before clipping (at most 100)',
      ],
    ]);
    expect(news.numbers.update).toMatchObject({ version: 2, numbers: { kl_base: 0.9 } });
    expect(news.numbers).toMatchObject({ head: 2, cycles: { running: 1, done: 1, failed: 0, skipped: 0 } });
    told.length = 0;
    const drift: Drift = {
      ...{ version: 2, judge: 'critic', judgeVersion: '1', measure: 'outcome', n: 40, value: 0.6 },
      ...{ ci95: [0.45, 0.75], bound: 0.3, alarm: true, createdAt: 1 },
    };
    saveDrifts(store.db, GYRE_POLICY, [2], [drift, { ...drift, judge: 'other', alarm: false }]);
    await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 10_000 });
    expect(told[0]?.[1]).toMatchObject({ alarm: 'drift_outcome', judge: 'critic', version: 2, value: 0.6, bound: 0.3 });
    expect(news.numbers.drifts).toHaveLength(2);
    told.length = 0;
    store.sqlite.exec("INSERT INTO judge_attempts VALUES ('step', 's', 'critic', '1', 's', 1, 'answered 503', 5)");
    await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 10_000 });
    expect(told[0]?.[1]).toEqual({ judge: 'critic', waiting: 1, reason: 'answered 503' });
    expect(news.numbers.waiting).toEqual([{ judge: 'critic', subjects: 1, reason: 'answered 503' }]);
    store.sqlite.exec('DELETE FROM judge_attempts');
    await vi.waitFor(() => expect(told).toHaveLength(2), { timeout: 10_000 });
    expect(told[1]?.[1]).toEqual({ judge: 'critic', waiting: 0 });
    store.sqlite.exec('ALTER TABLE cycles RENAME TO elsewhere');
    await vi.waitFor(() => expect(warnings).not.toEqual([]), { timeout: 10_000 });
    expect(warnings[0]).toContain("the learning clock's rows cannot be read: ");
  } finally {
    news.stop();
  }
});

test('a flip of the alias is heard of with both versions', async () => {
  const alias = openServing({ engine: openEngine(1_000), load: () => Promise.resolve() });
  const flips: [number, number][] = [];
  const follower = follow({
    rows: () => Promise.resolve(followed(store.db, GYRE_POLICY)),
    alias,
    adapters: {
      load: () => Promise.resolve(),
      unload: () => Promise.resolve(),
      loaded: () => Promise.resolve([]),
      remove: () => Promise.resolve(),
    },
    removed: () => Promise.resolve(),
    known: (version) => alias.know(version, true),
    failed: (message) => expect.unreachable(message),
    flipped: (from, to) => flips.push([from, to]),
  });
  try {
    await follower.check();
    expect(flips).toEqual([]);
    saveVersion(store.db, GYRE_POLICY, { version: 1, kind: 'trained', parent: 0, metrics: {}, createdAt: 1 });
    decide(store.db, GYRE_POLICY, {
      kind: 'promotion',
      version: 1,
      against: 0,
      passed: true,
      reason: 'better',
      numbers: {},
    });
    await follower.check();
    await follower.check();
    expect(flips).toEqual([[0, 1]]);
  } finally {
    follower.stop();
  }
});
