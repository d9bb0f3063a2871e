/** From groups, or logged steps, to a batch: a function of what was loaded. */
import { expect, test } from 'vitest';

import { Batch } from '../../../src/core/learning/batch.js';
import { declaredJudges, JUDGES } from '../../../src/core/learning/deciding.js';
import type { OpenGroup } from '../../../src/core/learning/group.js';
import type { Verdict } from '../../../src/core/learning/judging.js';
import type { Sample } from '../../../src/core/learning/sample.js';
import type { LoggedState } from '../../../src/core/learning/state.js';
import { batchOf, type Loaded, type Making } from '../../../src/learner/batching.js';

const MAKING: Making = {
  leastGroups: 1,
  mostStates: 64,
  keyShare: 0.2,
  targetVersion: 8,
  templateHash: 'sha256:t',
  learningRate: 1e-4,
};

const state = (stepId: string, part: Partial<LoggedState> = {}): LoggedState => ({
  stepId,
  trajectoryId: `traj-${stepId}`,
  keyId: '',
  index: 0,
  origin: 'live',
  policyVersion: 7,
  consent: true,
  messages: [{ role: 'user', content: stepId }],
  tools: [],
  toolChoice: 'auto',
  callsAllowed: false,
  sampling: {},
  temperature: 0.7,
  text: 'yes',
  calls: [],
  promptTokenIds: [1, 2],
  tokenIds: [3, 4],
  logprobs: [-0.5, -0.5],
  ...part,
});

const sample = (id: string, stepId: string, cycleId: string): Sample => ({
  id,
  cycleId,
  stepId,
  policyVersion: 7,
  text: id,
  calls: [],
  promptTokenIds: [1, 2],
  tokenIds: [3, 4],
  logprobs: [-0.5, -0.5],
  temperature: 0.7,
  cut: false,
  createdAt: 0,
});

/** Two actions at a state, of which the first is right. */
const group = (stepId: string, part: Partial<OpenGroup> = {}): OpenGroup => {
  const cycleId = part.cycleId ?? 'cyc-2';
  return {
    cycleId,
    stepId,
    trajectoryId: `traj-${stepId}`,
    policyVersion: 7,
    outcome: 'drawn',
    reason: '',
    drawn: 2,
    redacted: 0,
    createdAt: 0,
    samples: [sample(`${stepId}-right`, stepId, cycleId), sample(`${stepId}-wrong`, stepId, cycleId)],
    ...part,
  };
};

const verdict = (subjectId: string, good: boolean, kind: 'sample' | 'step' = 'sample'): Verdict => ({
  id: `vrd-${subjectId}`,
  subjectKind: kind,
  subjectId,
  judge: 'reference',
  judgeVersion: '4',
  score: good ? 1 : 0,
  good,
  rationale: '',
  createdAt: 1,
});

/** Everything is willing, and every group has a right and a wrong action. */
function loaded(groups: readonly OpenGroup[], part: Partial<Loaded> = {}): Loaded {
  const ids = groups.map(({ stepId }) => stepId);
  return {
    cycle: { id: 'cyc-2', mode: 'resample', baseVersion: 7 },
    groups,
    states: new Map(ids.map((id) => [id, state(id)])),
    verdicts: new Map(
      groups.flatMap(({ samples }) => samples.map(({ id }) => [id, [verdict(id, id.endsWith('right'))]] as const)),
    ),
    unheard: new Map(),
    declared: JUDGES,
    consented: new Set(ids),
    heldOut: new Set(),
    givers: new Map(),
    heardLately: [],
    near: new Set([7, 6, 5]),
    ...part,
  };
}
const many = (count: number, part: Partial<OpenGroup> = {}, prefix = 's'): OpenGroup[] =>
  Array.from({ length: count }, (_, at) => group(`${prefix}${at}`, part));
const outcomes = ({ settled }: ReturnType<typeof batchOf>): Record<string, string> =>
  Object.fromEntries(settled.map(({ stepId, outcome }) => [stepId, outcome]));

test('a batch is made of the informative groups, and each group is settled', () => {
  const good = group('good');
  const same = group('same');
  const unknown = group('unknown');
  const made = batchOf(
    loaded([good, same, unknown], {
      verdicts: new Map([
        ['good-right', [verdict('good-right', true)]],
        ['good-wrong', [verdict('good-wrong', false)]],
        ['same-right', [verdict('same-right', false)]],
        ['same-wrong', [verdict('same-wrong', false)]],
      ]),
    }),
    MAKING,
  );
  expect(Batch.parse(made.batch)).toMatchObject({ base_version: 7, target_version: 8, mode: 'resample' });
  expect(made.items).toEqual([
    { itemId: 'good-right', stepId: 'good', advantage: 0.5 },
    { itemId: 'good-wrong', stepId: 'good', advantage: -0.5 },
  ]);
  expect(outcomes(made)).toEqual({ good: 'informative', same: 'zero_spread', unknown: 'no_reward' });
  expect(made.settled[0]).toMatchObject({ rewarded: 2, mean: 0.5, spread: 1 });
  expect(made.counts).toMatchObject({ informative: 1, zero_spread: 1, no_reward: 2, rewards: 4, mean_reward: 0.25 });
});

test('an action of which nobody could tell is worth its form beside one that could, and alone nothing', () => {
  const silent = (id: string): Verdict => {
    const { good: _, score: __, ...rest } = verdict(id, true);
    return rest;
  };
  const formed = (id: string): Verdict => ({ ...verdict(id, true), id: `form-${id}`, judge: 'well_formed' });
  const made = batchOf(
    loaded([group('beside'), group('alone')], {
      verdicts: new Map([
        ['beside-right', [verdict('beside-right', true), formed('beside-right')]],
        ['beside-wrong', [silent('beside-wrong'), formed('beside-wrong')]],
        ['alone-right', [silent('alone-right'), formed('alone-right')]],
        ['alone-wrong', [silent('alone-wrong'), { ...formed('alone-wrong'), good: false, score: 0 }]],
      ]),
    }),
    MAKING,
  );
  expect(made.items.map(({ itemId, advantage }) => [itemId, Number(advantage.toFixed(6))])).toEqual([
    ['beside-right', 0.45],
    ['beside-wrong', -0.45],
  ]);
  expect(outcomes(made)).toEqual({ beside: 'informative', alone: 'no_reward' });
});

test('fewer groups than an update takes are carried over, and it says how many there are', () => {
  const few = batchOf(loaded(many(5)), { ...MAKING, leastGroups: 8 });
  expect(few.batch).toBeUndefined();
  expect(few.items).toEqual([]);
  expect(few.note).toBe('5 of 8 informative groups; carried');
  expect(Object.values(outcomes(few))).toEqual(Array(5).fill('informative'));
  expect(batchOf(loaded(many(8)), { ...MAKING, leastGroups: 8 }).items).toHaveLength(16);
});

test('what was carried over makes up the number, and counts in its own cycle only', () => {
  const carried = many(3, { cycleId: 'cyc-1', policyVersion: 6, outcome: 'informative' }, 'old');
  const made = batchOf(loaded([...carried, ...many(5)]), { ...MAKING, leastGroups: 8 });
  expect(made.items).toHaveLength(16);
  expect(made.counts).toMatchObject({ carried: 3, informative: 5, rewards: 10 });
  expect(made.visited).toHaveLength(5);
  expect(made.visited[0]).toEqual({ stepId: 's0', version: 7, rate: 0.5 });
});

test('a group is carried over while what drew it is near the head, whatever the numbers are', () => {
  const carried = [5, 4, 9].map((policyVersion) =>
    group(`v${policyVersion}`, { cycleId: 'cyc-1', policyVersion, outcome: 'informative' }),
  );
  expect(outcomes(batchOf(loaded(carried), MAKING))).toEqual({ v5: 'informative', v4: 'stale', v9: 'stale' });
});

test('two states of a conversation are the most, also with those that are carried over', () => {
  // Three conversations of one user, of which each cycle draws two states each.
  const of = (cycleId: string, at: number): OpenGroup =>
    group(`${cycleId}-${at}`, { cycleId, trajectoryId: `traj-${at % 3}`, outcome: 'informative' });
  const groups = ['cyc-1', 'cyc-2'].flatMap((cycleId) => Array.from({ length: 6 }, (_, at) => of(cycleId, at)));
  const made = batchOf(loaded(groups), { ...MAKING, leastGroups: 8 });
  expect(made.batch).toBeUndefined();
  expect(made.counts).toMatchObject({ same_trajectory: 6 });
  expect(made.note).toBe('6 of 8 informative groups; carried');
  expect(Object.values(outcomes(made))).toEqual(Array(12).fill('informative'));
});

test('a cycle that takes up fewer states than an update needs fills it with those that are carried over', () => {
  const carried = many(5, { cycleId: 'cyc-1', outcome: 'informative' }, 'old');
  const made = batchOf(loaded([...carried, ...many(4)]), { ...MAKING, leastGroups: 8, mostStates: 4 });
  expect(new Set(made.items.map(({ stepId }) => stepId)).size).toBe(8);
});

test('what was carried over must still be willing, not held out and there', () => {
  const carried = ['open', 'unwilling', 'asked', 'gone'].map((id) => group(id, { cycleId: 'cyc-1' }));
  const all = loaded(carried);
  const made = batchOf(
    {
      ...all,
      consented: new Set(['open', 'asked', 'gone']),
      heldOut: new Set(['asked']),
      states: new Map([...all.states].filter(([id]) => id !== 'gone')),
    },
    MAKING,
  );
  expect(outcomes(made)).toEqual({ open: 'informative', unwilling: 'withheld', asked: 'heldout', gone: 'withheld' });
  expect(new Set(made.items.map(({ stepId }) => stepId))).toEqual(new Set(['open']));
});

test('no batch has more states than a cycle takes up, and what was carried over goes first', () => {
  const carried = many(3, { cycleId: 'cyc-1', outcome: 'informative' }, 'old');
  const made = batchOf(loaded([...carried, ...many(4)]), { ...MAKING, mostStates: 4 });
  expect(new Set(made.items.map(({ stepId }) => stepId))).toEqual(new Set(['old0', 'old1', 'old2', 's3']));
});

test('a key that gave its share gives no more, and the rest is informative still', () => {
  const groups = many(6);
  const givers = new Map(groups.map(({ stepId }, at) => [stepId, at < 4 ? 'mal' : `ann${at}`]));
  const made = batchOf(loaded(groups, { givers, heardLately: ['x', 'y', 'z'] }), { ...MAKING, leastGroups: 3 });
  expect(made.counts).toMatchObject({ informative: 6, key_share: 3 });
  expect(new Set(made.items.map(({ stepId }) => stepId)).size).toBe(3);
  expect(Object.values(outcomes(made))).toEqual(Array(6).fill('informative'));
});

test('nothing that teaches is no batch, and it says so', () => {
  const made = batchOf(loaded(many(2), { verdicts: new Map() }), MAKING);
  expect(made).toMatchObject({ items: [], note: 'nothing to train on: see the counts for what dropped every state' });
});

test('logged actions that are wholly good are imitated, and too few of them are no update', () => {
  const ids = ['good', 'bad', 'unknown', 'unwilling'];
  const all = loaded([], {
    cycle: { id: 'cyc-2', mode: 'sft', baseVersion: 7 },
    states: new Map(ids.map((id) => [id, state(id)])),
    verdicts: new Map(ids.filter((id) => id !== 'unknown').map((id) => [id, [verdict(id, id !== 'bad', 'step')]])),
    consented: new Set(['good', 'bad', 'unknown']),
  });
  const made = batchOf(all, MAKING);
  expect(made.items).toEqual([{ itemId: 'sft:good', stepId: 'good', advantage: 1 }]);
  expect(made.counts).toMatchObject({ not_good: 1, no_reward: 1, examples: 1 });
  expect(made.settled).toEqual([]);
  expect(batchOf(all, { ...MAKING, leastGroups: 8 })).toMatchObject({
    items: [],
    note: '1 of 8 states that an update takes at least',
  });
});

test('where a judge that decides before the others has said nothing there is no reward', () => {
  const rewards = ['model', 'reference'];
  const declared = declaredJudges({
    rewards,
    configured: [{ name: 'model', kind: 'model' }],
    calibrated: new Set(['model']),
  });
  const groups = [group('heard'), group('unheard')];
  const unheard = new Map(['unheard-right', 'unheard-wrong'].map((id) => [id, new Set(['model'])]));
  const made = batchOf(loaded(groups, { declared, unheard }), MAKING);
  expect(outcomes(made)).toEqual({ heard: 'informative', unheard: 'no_reward' });
  expect(made.counts).toMatchObject({ no_reward: 2, informative: 1 });
  const states = new Map(['a', 'b'].map((id) => [id, state(id)]));
  const logged = loaded([], {
    declared,
    cycle: { id: 'cyc-2', mode: 'sft', baseVersion: 7 },
    states,
    verdicts: new Map(['a', 'b'].map((id) => [id, [verdict(id, true, 'step')]])),
    unheard: new Map([['b', new Set(['model'])]]),
    consented: new Set(['a', 'b']),
  });
  expect(batchOf(logged, MAKING).items.map(({ stepId }) => stepId)).toEqual(['a']);
});
