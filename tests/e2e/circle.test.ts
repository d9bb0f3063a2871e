/**
 * The whole circle on real vLLM and the packaged model: real clients, two updates, parity, evaluation, gate,
 * versions, rollback, proof of the log. Mechanics are asserted here; how much is learned is the demo's business.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { family } from '../../scripts/demo/family.js';
import type { Task } from '../../src/core/learning/task.js';
import type { CycleView, ListedVersion, VersionView } from '../../src/core/learning/views.js';
import type { StepWithLineage, TrajectoryView } from '../../src/core/reading.js';
import { gatesOwn } from '../../src/promote/plan.js';
import { type Gateway, startGateway, verb } from './gateway.js';
import { scenes } from './scenes.js';

const folder = mkdtempSync(join(tmpdir(), 'gyre-e2e-'));
const data = join(folder, 'data');
const tasks = family(7, { train: 64, gate: 14, numbers: 2, patterns: 0 });
/** Conversations that may be learned from, as the gateway named them. */
const taught = new Set<string>();
let gateway: Gateway;
let client: OpenAI;

const get = async <T>(path: string): Promise<T> => (await (await fetch(`${gateway.url}${path}`)).json()) as T;
const post = async <T>(path: string, body: unknown): Promise<T> => {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const text = await response.text();
  expect(response.ok, text).toBe(true);
  return JSON.parse(text) as T;
};

beforeAll(async () => {
  writeFileSync(join(folder, 'tasks.jsonl'), tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
  writeFileSync(join(folder, 'gyre.yaml'), 'learning: {samples: 8, max_states: 16}\n');
  const common = ['--data', data, '--config', join(folder, 'gyre.yaml')];
  await verb(['learn', '--tasks', join(folder, 'tasks.jsonl'), '--cycles', '0', ...common]);
  gateway = await startGateway(['--port', '0', ...common]);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any', maxRetries: 0, timeout: 120_000 });
});

afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A task as a client asks it; gives the name of the conversation. */
async function askTask(task: Task | undefined, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  if (task === undefined) throw new Error('there is no such task');
  const { data: answer, response } = await client.chat.completions
    .create(
      {
        model: 'gyre',
        messages: task.messages as OpenAI.ChatCompletionMessageParam[],
        temperature: 0.7,
        max_tokens: 64,
        metadata: { gyre_task: task.id },
      },
      { headers },
    )
    .withResponse();
  expect(answer.choices[0]?.finish_reason).toBeTruthy();
  return response.headers.get('x-gyre-trajectory') ?? '';
}

/** How many of the training tasks have been asked. */
let told = 0;

/** Asks so many that have not been asked before. */
async function askTraining(count: number): Promise<void> {
  const asked = tasks.filter((task) => task.split === 'train').slice(told, told + count);
  told += count;
  for (const trajectory of await Promise.all(asked.map((task) => askTask(task)))) taught.add(trajectory);
}

/** Every conversation in the log. */
async function everything(): Promise<TrajectoryView[]> {
  const all: TrajectoryView[] = [];
  for (let after: string | undefined; ;) {
    const page = await get<{ data: TrajectoryView[]; has_more: boolean; next_after?: string }>(
      `/gyre/v1/trajectories?view=client&limit=20${after === undefined ? '' : `&after=${after}`}`,
    );
    all.push(...page.data);
    if (!page.has_more) return all;
    after = page.next_after;
  }
}

/**
 * A cycle that trained. Whether the samples of a state differ in reward is chance: where too few do, they are carried
 * over, more is asked and another cycle begins. A prompt that is rendered otherwise than before is no chance.
 */
async function trainedCycle(): Promise<CycleView> {
  for (let again = 0; ; again += 1) {
    await askTraining(8);
    const row = await cycle();
    if (row.state !== 'skipped' || (row.counts['drift'] ?? 0) > 0 || again === 3) return row;
  }
}

async function cycle(): Promise<CycleView> {
  let row = await post<CycleView>('/gyre/v1/cycles', { gate: true });
  while (row.state === 'running') {
    await new Promise((resolve) => setTimeout(resolve, 500));
    row = await get<CycleView>(`/gyre/v1/cycles/${row.id}`);
  }
  return row;
}

// Not that one equals the other: greedy or not, what vLLM has of a prompt in its cache moves near ties in bfloat16.
test('a real client gets one clean completion, streamed or not, and each is what the log has of it', async () => {
  const task = tasks.find((candidate) => candidate.metadata['kind'] === 'numbers');
  const ask = {
    model: 'gyre',
    messages: task?.messages as OpenAI.ChatCompletionMessageParam[],
    temperature: 0,
    max_tokens: 64,
  };
  const whole = await client.chat.completions.create(ask).withResponse();
  expect(whole.response.headers.get('x-gyre-policy-version')).toBe('0');
  const streamed = await client.chat.completions
    .create({ ...ask, stream: true, stream_options: { include_usage: true } })
    .withResponse();
  let text = '';
  const finishes: string[] = [];
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of streamed.data) {
    text += chunk.choices[0]?.delta.content ?? '';
    const finish = chunk.choices[0]?.finish_reason;
    if (finish) finishes.push(finish);
    usage ??= chunk.usage;
  }
  expect(finishes).toHaveLength(1);
  for (const { response, shown, used } of [
    { response: whole.response, shown: whole.data.choices[0]?.message.content, used: whole.data.usage },
    { response: streamed.response, shown: text, used: usage },
  ]) {
    const { steps } = await get<TrajectoryView>(
      `/gyre/v1/trajectories/${response.headers.get('x-gyre-trajectory')}?include=tokens`,
    );
    expect(shown).toBe(steps.map(({ action }) => action ?? '').join(''));
    expect(used?.completion_tokens).toBe(steps.reduce((sum, step) => sum + (step.token_ids?.length ?? 0), 0));
    for (const { token_ids: ids, logprobs } of steps) expect(logprobs).toHaveLength(ids?.length ?? -1);
    // Neither a call of a tool there is not, nor one beyond a limit, was executed.
    const ran = steps.flatMap((step) =>
      step.tool_calls.filter(
        ({ owner, observation, error }) =>
          owner === 'server' && observation !== null && error !== 'unknown_tool' && error !== 'limit',
      ),
    );
    expect((used as unknown as { server_tool_use: { executed: number } }).server_tool_use.executed).toBe(ran.length);
  }
});

test('two updates are trained from live traffic, parity holds, and the gate decides with numbers', async () => {
  // Asked beside the others, and not to be learned from.
  await askTask(tasks.find((task) => task.split === 'heldout'));
  await askTask(
    tasks.find((task) => task.split === 'train'),
    { 'x-gyre-train': 'no' },
  );
  for (let update = 1; update <= 2; update += 1) {
    const row = await trainedCycle();
    expect(row.state, `${row.note} ${JSON.stringify(row.counts)}`).toBe('done');
    expect(row.counts['examples']).toBeGreaterThan(0);
    expect(row.counts['drift'] ?? 0).toBe(0);
  }
  const { data: versions } = await get<{ data: ListedVersion[] }>('/gyre/v1/versions');
  expect(versions.map((version) => version.version)).toEqual([2, 1]);
  for (const version of versions) {
    const parity = version.decisions.find((decision) => decision.kind === 'parity');
    expect(parity?.passed, parity?.reason).toBe(true);
    expect(parity?.numbers['differs_from_base']).toBeGreaterThan(0);
    const gate = version.decisions.find((decision) => decision.kind === 'gate');
    expect(gate?.numbers['tasks']).toBe(gatesOwn(tasks.filter((task) => task.split === 'heldout')).length);
    expect(gate?.reason).toBeTruthy();
    expect(version.decisions.some((decision) => decision.kind === 'promotion')).toBe(gate?.passed);
    expect(version.metrics['tokens_computed']).toBe(version.metrics['distinct_tokens']);
  }
});

test('every version can be asked by name, and says which it is', async () => {
  for (const [model, version] of [
    ['gyre@base', '0'],
    ['gyre@1', '1'],
    ['gyre@2', '2'],
  ] as const) {
    const { response } = await client.chat.completions
      .create({ model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 4, tool_choice: 'none' })
      .withResponse();
    expect(response.headers.get('x-gyre-policy-version')).toBe(version);
  }
  await expect(
    client.chat.completions.create({ model: 'gyre@99', messages: [{ role: 'user', content: 'hi' }] }),
  ).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
});

test('a batch holds steps of live traffic with consent: nothing held out, evaluated or withheld', async () => {
  const reached = new Set<string>();
  for (const trajectory of await everything()) {
    for (const step of trajectory.steps) {
      const { lineage } = await get<StepWithLineage>(`/gyre/v1/steps/${step.id}`);
      if (lineage.batches.length === 0) continue;
      reached.add(trajectory.id);
      expect(trajectory.consent).toBe(true);
    }
  }
  expect(reached.size).toBeGreaterThan(0);
  expect([...reached].filter((trajectory) => !taught.has(trajectory))).toEqual([]);
  // And what was kept out is counted by its reason; evaluations are without consent.
  const { dropped } = await get<{ dropped: Record<string, number> }>('/gyre/v1/status');
  expect(dropped['heldout']).toBeGreaterThan(0);
  expect(dropped['no_consent']).toBeGreaterThan(0);
});

test('a rollback serves the weights that served before, and is refused where nothing else ever served', async () => {
  const { data: before } = await get<{ data: ListedVersion[] }>('/gyre/v1/versions');
  const promoted = before.filter((version) => version.decisions.some((decision) => decision.kind === 'promotion'));
  if (promoted.length === 0) {
    const refused = await fetch(`${gateway.url}/gyre/v1/rollback`, { method: 'POST' });
    expect([refused.status, await refused.json()]).toMatchObject([409, { error: { code: 'nothing_to_roll_back' } }]);
    return;
  }
  const made = await post<VersionView>('/gyre/v1/rollback', {});
  // Newest first: what was promoted before the last, or the model as it came.
  expect(made).toMatchObject({ version: 3, copy_of: promoted[1]?.version ?? 0 });
  const { response } = await client.chat.completions
    .create({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }], max_tokens: 4, tool_choice: 'none' })
    .withResponse();
  expect(response.headers.get('x-gyre-policy-version')).toBe('3');
  const { data: after } = await get<{ data: ListedVersion[] }>('/gyre/v1/versions');
  expect(after.filter(({ serving }) => serving).map(({ version }) => version)).toEqual([3]);
});

test('a version that passed no gate cannot be promoted', async () => {
  const { data: versions } = await get<{ data: ListedVersion[] }>('/gyre/v1/versions');
  const { serving } = await get<{ serving: number }>('/gyre/v1/status');
  // Either the gate refused one, or all were promoted and the rollback made one that never met a gate.
  const ungated = versions.filter(
    (version) => !version.decisions.some((decision) => decision.kind === 'gate' && decision.passed),
  );
  expect(ungated).not.toEqual([]);
  for (const { version } of ungated) {
    const response = await fetch(`${gateway.url}/gyre/v1/versions/${version}/promote`, { method: 'POST' });
    expect([response.status, await response.json()]).toMatchObject([409, { error: { code: 'gate_not_passed' } }]);
  }
  expect((await get<{ serving: number }>('/gyre/v1/status')).serving).toBe(serving);
});

describe('the real engine', () => scenes({ gateway: () => gateway, data, tasks }));

test('the log proves itself while the gateway serves', async () => {
  expect(await verb(['verify', '--data', data])).toContain('the log is whole');
});
