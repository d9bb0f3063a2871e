import { expect, test } from 'vitest';

import { saveVersion } from '../../../src/store/learning/versions.js';
import { batchOf, saveBatch } from '../../../src/store/learning/batches.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveSamples } from '../../../src/store/learning/samples.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { readStep } from '../../../src/store/read/lineage.js';
import { stateOf } from '../../../src/store/read/state.js';
import { listTrajectories } from '../../../src/store/read/listing.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { NO_USAGE } from '../../../src/core/policy.js';
import { action, answer, call, CALCULATOR, DONE, opened, opening, stepOf, user } from '../fixture.js';

test('a trajectory reads exactly as the API promises', async () => {
  const { store, log } = opened();
  const first = await answer(log, opening([user('6*7?')], { at: 1_795_437_629_061 }), [
    { text: '', asks: [{ call: call('c1', '6*7'), gives: '42' }], prompt: [1, 2, 3], ids: [4, 5] },
    { text: 'It is 42.', prompt: [1, 2, 3, 4, 5, 9], ids: [6] },
  ]);
  addFeedback(store.db, {
    responseId: first.opening.responseId,
    keyId: '',
    within: undefined,
    value: 1,
    at: 1_795_437_700_000,
  });
  saveVerdicts(store.db, [
    {
      id: 'vrd-1',
      subjectKind: 'step',
      subjectId: first.steps[0]?.id ?? '',
      judge: 'rule',
      judgeVersion: '1',
      score: 1,
      good: true,
      rationale: 'right',
      createdAt: 5_000,
    },
  ]);
  const rated = (rationale: string): object => ({
    id: expect.stringMatching(/^vrd-/) as string,
    judge: 'feedback',
    judge_version: expect.stringMatching(/^fbk-/) as string,
    ...{ score: 1, good: true, rationale, created_at: 1_795_437_700 },
  });
  const each = {
    response_id: first.opening.responseId,
    task: null,
    tools: [CALCULATOR],
    tool_choice: 'auto',
    sampling: { temperature: 0.7 },
    template_hash: null,
    outcome: 'done',
    usage: NO_USAGE,
    created_at: expect.any(Number) as number,
  };
  expect(readTrajectory(store.db, first.recording.trajectoryId)).toEqual({
    id: first.recording.trajectoryId,
    response_id: first.opening.responseId,
    model: 'gyre',
    policy_version: 0,
    outcome: 'completed',
    stop_reason: 'stop',
    origin: 'live',
    task: null,
    consent: true,
    key: null,
    created_at: 1_795_437_629,
    metadata: null,
    messages: [user('6*7?'), { role: 'assistant', content: 'It is 42.' }],
    steps: [
      {
        id: first.steps[0]?.id,
        index: 0,
        ...each,
        policy_version: 0,
        action: '',
        reasoning: null,
        finish_reason: 'tool_calls',
        tool_calls: [{ name: 'calculator', arguments: '{"expression":"6*7"}', owner: 'server', observation: '42' }],
        prompt_token_ids: [1, 2, 3],
        token_ids: [4, 5],
        logprobs: [Math.fround(-1 / 5), Math.fround(-1 / 6)],
        trainable: true,
        verdicts: [
          { id: 'vrd-1', judge: 'rule', judge_version: '1', score: 1, good: true, rationale: 'right', created_at: 5 },
          rated('rated 1, the answer as a whole'),
        ],
      },
      {
        id: first.steps[1]?.id,
        index: 1,
        ...each,
        policy_version: 0,
        action: 'It is 42.',
        reasoning: null,
        finish_reason: 'stop',
        tool_calls: [],
        prompt_token_ids: [1, 2, 3, 4, 5, 9],
        token_ids: [6],
        logprobs: [Math.fround(-1 / 7)],
        trainable: true,
        verdicts: [rated('rated 1')],
      },
    ],
    feedback: [
      {
        id: expect.stringMatching(/^fbk-/) as string,
        response_id: first.opening.responseId,
        step: null,
        value: 1,
        comment: null,
        demonstration: null,
        created_at: 1_795_437_700,
      },
    ],
  });
});

test('what the engine did not report is null, and a step that cannot be trained on has its reason', async () => {
  const { store, log } = opened();
  const recording = log.open(opening([user('q')], { asker: { keyId: 'key-a', consent: false } }));
  await recording.step(stepOf([user('q')], action('a'), { notTrainable: 'no_token_ids' }), {
    role: 'assistant',
    content: 'a',
  });
  await recording.step(stepOf([user('q')], undefined, { outcome: 'failed' }), { role: 'assistant', content: 'a' });
  const read = readTrajectory(store.db, recording.trajectoryId);
  expect(read).toMatchObject({ key: 'key-a', consent: false, outcome: null, stop_reason: null });
  expect(read?.steps[0]).toMatchObject({
    action: 'a',
    prompt_token_ids: null,
    token_ids: null,
    logprobs: null,
    trainable: false,
    not_trainable_reason: 'no_token_ids',
  });
  expect(read?.steps[1]).toMatchObject({
    action: null,
    finish_reason: null,
    trainable: false,
    not_trainable_reason: 'no_consent',
  });
  await recording.finish({ ...DONE, outcome: 'failed', stopReason: 'engine_error' });
  expect(readTrajectory(store.db, recording.trajectoryId)).toMatchObject({
    outcome: 'failed',
    stop_reason: 'engine_error',
  });
});

test('a list is newest first, in pages, and each key sees its own', async () => {
  const { store, log } = opened();
  const ids: string[] = [];
  for (let at = 0; at < 7; at += 1) {
    const made = await answer(
      log,
      opening([user(`q ${at}`)], { asker: { keyId: at % 2 === 0 ? 'key-a' : 'key-b', consent: true } }),
      [{ text: 'a' }],
    );
    ids.unshift(made.recording.trajectoryId);
  }
  const first = listTrajectories(store.db, { limit: 3 });
  expect(first.data.map((row) => row.id)).toEqual(ids.slice(0, 3));
  expect(first.has_more).toBe(true);
  const rest = listTrajectories(store.db, { limit: 10, after: first.data.at(-1)?.id ?? '' });
  expect(rest.data.map((row) => row.id)).toEqual(ids.slice(3));
  expect(rest.has_more).toBe(false);
  const own = listTrajectories(store.db, { limit: 10 }, { keyId: 'key-b' });
  expect(own.data.map((row) => row.id)).toEqual(ids.filter((_, at) => at % 2 === 1));
  expect(readTrajectory(store.db, ids[0] ?? '', 'key-b')).toBeUndefined();
  expect(readTrajectory(store.db, 'traj-none')).toBeUndefined();
});

test('a step reads with its state and everything its data reached', async () => {
  const { store, log } = opened();
  const { db } = store;
  const asked = await answer(log, opening([user('q')], { templateHash: 'sha:t' }), [
    { text: 'a', prompt: [1, 2], ids: [3] },
  ]);
  const stepId = asked.steps[0]?.id ?? '';
  saveSamples(db, GYRE_POLICY, [
    {
      id: 'smp-1',
      cycleId: 'cyc-1',
      stepId,
      policyVersion: 0,
      text: 'drawn',
      calls: [],
      promptTokenIds: [1, 2],
      tokenIds: [4],
      logprobs: [-1],
      temperature: 1,
      cut: false,
      createdAt: 1,
    },
  ]);
  saveVerdicts(db, [
    {
      id: 'vrd-1',
      subjectKind: 'sample',
      subjectId: 'smp-1',
      judge: 'rule',
      judgeVersion: '1',
      good: false,
      rationale: 'wrong',
      createdAt: 1,
    },
  ]);
  const batch = {
    batch_id: 'bat-1',
    base_version: 0,
    target_version: 1,
    tree: { tokens: [], parent: [] },
  } as unknown as Parameters<typeof saveBatch>[3];
  saveBatch(db, GYRE_POLICY, 'cyc-1', batch, [{ itemId: 'smp-1', stepId, advantage: -0.5 }]);
  expect(batchOf(db, GYRE_POLICY, 'cyc-1')?.id).toBe('bat-1');
  saveVersion(db, GYRE_POLICY, { version: 1, kind: 'trained', parent: 0, batchId: 'bat-1', metrics: {}, createdAt: 1 });
  decide(db, GYRE_POLICY, {
    kind: 'promotion',
    version: 1,
    against: 0,
    passed: true,
    reason: 'better',
    numbers: { difference: 0.2 },
  });
  const read = readStep(db, GYRE_POLICY, stepId);
  expect(read).toMatchObject({
    id: stepId,
    trajectory_id: asked.recording.trajectoryId,
    response_id: asked.opening.responseId,
    messages: [user('q')],
    template_hash: 'sha:t',
    sampling: { temperature: 0.7 },
    prompt_token_ids: [1, 2],
  });
  expect(read?.tools).toHaveLength(1);
  expect(read?.lineage).toMatchObject({
    samples: [
      { id: 'smp-1', batch_id: 'bat-1', advantage: -0.5, body: { text: 'drawn' }, verdicts: [{ good: false }] },
    ],
    batches: [{ id: 'bat-1', target_version: 1 }],
    versions: [{ version: 1, batch_id: 'bat-1' }],
    decisions: [{ kind: 'promotion', version: 1, passed: true, numbers: { difference: 0.2 } }],
  });
  expect(readStep(db, GYRE_POLICY, stepId, 'key-x')).toBeUndefined();
  expect(readStep(db, GYRE_POLICY, 'step-none')).toBeUndefined();
});

test('a state is what the policy was conditioned on and what it did', async () => {
  const { store, log } = opened();
  const asked = await answer(log, opening([user('6*7?')], { origin: 'generate', taskId: 'task-1' }), [
    { text: 'see', asks: [{ call: call('c1', '6*7'), gives: '42' }], prompt: [1, 2], ids: [3] },
    { text: '42', prompt: [1, 2, 3, 4], ids: [5] },
  ]);
  const [first, second] = asked.steps;
  expect(stateOf(store.db, first?.id ?? '')).toMatchObject({
    index: 0,
    taskId: 'task-1',
    origin: 'generate',
    messages: [user('6*7?')],
    text: 'see',
    calls: [call('c1', '6*7')],
    temperature: 0.7,
    promptTokenIds: [1, 2],
    tokenIds: [3],
  });
  expect(stateOf(store.db, second?.id ?? '')).toMatchObject({
    index: 1,
    text: '42',
    calls: [],
    promptTokenIds: [1, 2, 3, 4],
    tokenIds: [5],
  });
  expect(stateOf(store.db, second?.id ?? '')?.messages).toHaveLength(3);
  expect(stateOf(store.db, 'step-none')).toBeUndefined();
});
