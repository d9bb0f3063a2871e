/** The rows of learning as they are told: another spelling, seconds, and null where there is nothing. */
import { expect, test } from 'vitest';

import {
  cycleView,
  decisionView,
  evaluationView,
  listedVersion,
  versionView,
} from '../../../src/core/learning/views.js';
import type { Decision, Version } from '../../../src/core/learning/version.js';

const AT = 1_795_437_629_999;
const SECOND = 1_795_437_629;
const ROLLBACK: Version = { version: 3, kind: 'rollback', parent: 2, copyOf: 1, metrics: { loss: 1 }, createdAt: AT };
const GATE: Decision = {
  id: 'dec-1',
  kind: 'gate',
  version: 3,
  against: 1,
  passed: true,
  reason: 'better',
  numbers: { tasks: 8 },
  createdAt: AT,
};

test('a version says where its weights come from, and null where from nothing', () => {
  expect(versionView(ROLLBACK)).toEqual({
    version: 3,
    kind: 'rollback',
    parent: 2,
    batch_id: null,
    copy_of: 1,
    metrics: { loss: 1 },
    created_at: SECOND,
  });
  expect(versionView({ version: 0, kind: 'base', metrics: {}, createdAt: 0 })).toMatchObject({
    parent: null,
    batch_id: null,
    copy_of: null,
    created_at: 0,
  });
});

test('a version in the list also says its name, what it is now, and what was decided', () => {
  expect(listedVersion(ROLLBACK, 3, 2, [GATE])).toEqual({
    ...versionView(ROLLBACK),
    name: 'gyre-v000003',
    serving: true,
    head: false,
    weights_removed_at: null,
    decisions: [decisionView(GATE)],
  });
  expect(listedVersion(ROLLBACK, 3, 2, [], 60_000).weights_removed_at).toBe(60);
});

test('a decision says what the version was compared with, and by which numbers it was made', () => {
  expect(decisionView(GATE)).toEqual({
    id: 'dec-1',
    kind: 'gate',
    version: 3,
    against: 1,
    passed: true,
    reason: 'better',
    numbers: { tasks: 8 },
    created_at: SECOND,
  });
  expect(decisionView({ ...GATE, against: undefined }).against).toBeNull();
});

test('a cycle says what it began with, and when it moved last', () => {
  expect(
    cycleView({
      id: 'cyc-1',
      state: 'running',
      stage: 'judge',
      mode: 'resample',
      filter: 'prefix',
      baseVersion: 4,
      counts: { 'dropped.cut': 1 },
      note: '',
      startedAt: AT,
      updatedAt: AT + 2,
    }),
  ).toEqual({
    id: 'cyc-1',
    state: 'running',
    stage: 'judge',
    mode: 'resample',
    filter: 'prefix',
    base_version: 4,
    counts: { 'dropped.cut': 1 },
    note: '',
    started_at: SECOND,
    updated_at: SECOND + 1,
  });
});

test('an evaluation says what each task earned', () => {
  expect(
    evaluationView({
      id: 'eval-1',
      version: 2,
      taskSet: 'sha256:x',
      results: [{ taskId: 'task-1', trajectoryId: 'traj-1', score: 1 }],
      createdAt: AT,
    }),
  ).toEqual({
    id: 'eval-1',
    version: 2,
    task_set: 'sha256:x',
    results: [{ task_id: 'task-1', trajectory_id: 'traj-1', score: 1 }],
    created_at: SECOND,
  });
});
