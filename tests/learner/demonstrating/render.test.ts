/** Demonstrations in a cycle of the mode `sft`: rendered by the engine, and in a batch as they were rendered. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import type { Demonstration } from '../../../src/core/judging/labels.js';
import type { Message } from '../../../src/core/message.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { generate } from '../../../src/learner/generating.js';
import { addLabels } from '../../../src/store/labels/labels.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { verify } from '../../../src/store/proof/verify.js';
import { tokenId } from '../../fakes/engine.js';
import { words } from '../../fakes/replies.js';
import { type Bench, bench, sum, tasks } from '../bench.js';

/** Answers at once and wrongly. */
const wrong = () => ({ text: 'It is 1.' });

let at: Bench;
beforeEach(async () => {
  at = await bench({ script: wrong, config: { learning: { mode: 'sft', filter: 'none', key_share: 1 } } });
});
afterEach(async () => {
  await at.learner.log.flush();
  expect(verify(at.store.db).problems).toEqual([]);
  await at.close();
});

interface Logged {
  readonly id: string;
  readonly trajectoryId: string;
}

/** Wrong answers to two tasks. */
async function logged(): Promise<readonly Logged[]> {
  await generate(at.learner, tasks(at, [sum('a', 1, 2), sum('b', 3, 4)]), 1, 0);
  await at.learner.log.flush();
  return at.store.sqlite.prepare<[], Logged>('SELECT id, trajectory_id AS trajectoryId FROM steps ORDER BY seq').all();
}

const show = (stepId: string, demonstration: Demonstration): string =>
  addLabels(at.store.db, [{ step_id: stepId, good: false, demonstration }], '')[0]?.id ?? '';

/** Item and tokens of each action of the batch. */
async function batchOf(cycleId: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const row = await at.learner.rows.batches.ofCycle(cycleId);
  const found = new Map<string, readonly number[]>();
  if (row === undefined) return found;
  const { tree, actions } = row.batch;
  for (const { id, end, length } of actions) {
    const ids: number[] = [];
    for (let node = end; ids.length < length; node = tree.parent[node] ?? -1) ids.push(tree.tokens[node] ?? -1);
    found.set(id, ids.reverse());
  }
  return found;
}

test('a demonstrated answer is imitated as the engine renders it, up to the end of the turn, and once', async () => {
  const [first] = await logged();
  const label = show(first?.id ?? '', { content: 'The answer is 3.' });
  const cycle = await runCycle(at.learner, { heldout: [], gate: false });
  expect(cycle).toMatchObject({ state: 'done', counts: { demonstrations: 1, demonstrated: 1, examples: 1 } });
  expect(await batchOf(cycle.id)).toEqual(
    new Map([[`demonstration:${label}`, [...words('The answer is 3.'), '<|im_end|>'].map(tokenId)]]),
  );
  const again = await runCycle(at.learner, { heldout: [], gate: false });
  expect(again).toMatchObject({ state: 'skipped' });
});

test('a demonstrated call is rendered with its tools', async () => {
  const [first] = await logged();
  const label = show(first?.id ?? '', {
    tool_calls: [{ function: { name: 'calculator', arguments: '{"expression": "1+2"}' } }],
  });
  const cycle = await runCycle(at.learner, { heldout: [], gate: false });
  expect(cycle).toMatchObject({ state: 'done', counts: { demonstrations: 1 } });
  expect([...(await batchOf(cycle.id)).keys()]).toEqual([`demonstration:${label}`]);
  const asked = at.engine.counted.at(-1) as unknown as { messages: Message[]; tools: object[] };
  expect(asked.messages.at(-1)).toMatchObject({
    role: 'assistant',
    tool_calls: [{ type: 'function', function: { name: 'calculator' } }],
  });
  expect(asked.tools).toHaveLength(1);
});

test('where the template ends a turn as the policy never has, nothing is learned', async () => {
  const [first] = await logged();
  show(first?.id ?? '', { content: 'The answer is 3.' });
  at.store.sqlite.exec('UPDATE steps SET cut = 1');
  const cycle = await runCycle(at.learner, { heldout: [], gate: false });
  expect(cycle).toMatchObject({ state: 'skipped', counts: { 'dropped.demonstration_no_end': 1 } });
  at.store.sqlite.exec('UPDATE steps SET cut = 0');
});

test('where the engine renders another prompt than was logged, nothing is learned', async () => {
  const [first] = await logged();
  show(first?.id ?? '', { content: 'The answer is 3.' });
  at.store.sqlite.exec("UPDATE steps SET prompt_suffix = x'0100000002000000' WHERE idx = 0");
  const cycle = await runCycle(at.learner, { heldout: [], gate: false });
  expect(cycle).toMatchObject({ state: 'skipped', counts: { 'dropped.demonstration_drift': 1 } });
  at.store.sqlite.exec('DELETE FROM steps; DELETE FROM trajectories; DELETE FROM responses; DELETE FROM ledger');
  at.store.sqlite.exec(`DELETE FROM verdicts; DELETE FROM decided; DELETE FROM labels; DELETE FROM demonstrations;
    DELETE FROM messages; DELETE FROM tool_sets; DELETE FROM candidates; DELETE FROM cycle_steps;
    DELETE FROM sqlite_sequence; DELETE FROM late_steps; DELETE FROM judge_attempts`);
});

test('a label that is taken back, and a conversation that is deleted, teach nothing', async () => {
  const [first, second] = await logged();
  const label = show(first?.id ?? '', { content: 'The answer is 3.' });
  show(second?.id ?? '', { content: 'The answer is 7.' });
  addLabels(at.store.db, [{ withdraw: label }], '');
  const { templateHash = '' } = at.learner;
  const waiting = async () => (await at.learner.rows.demonstrations.unrendered(templateHash, '', 9)).length;
  expect(await waiting()).toBe(1);
  removeTrajectory(at.store.db, 'gyre', second?.trajectoryId ?? '');
  expect(await waiting()).toBe(0);
  expect(await runCycle(at.learner, { heldout: [], gate: false })).toMatchObject({ state: 'skipped' });
});

test('an engine that cannot render is no fault, and what it refuses is told', async () => {
  const [first] = await logged();
  show(first?.id ?? '', { content: 'The answer is 3.' });
  at.engine.tokenizer = 'missing';
  expect(await runCycle(at.learner, { heldout: [], gate: false })).toMatchObject({ state: 'skipped' });
  at.engine.tokenizer = { status: 400 };
  const refused = await runCycle(at.learner, { heldout: [], gate: false });
  expect(refused.counts).toMatchObject({ 'dropped.demonstration_refused': 1 });
});
