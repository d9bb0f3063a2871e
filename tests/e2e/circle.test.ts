/**
 * The whole circle on real vLLM and the packaged model: real clients, two updates, parity, evaluation, gate,
 * versions, rollback, proof of the log. Mechanics are asserted here; how much is learned is the demo's business.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { family } from '../../scripts/demo/family.js';
import type { CycleView, ListedVersion } from '../../src/core/learning/views.js';
import type { TrajectoryView } from '../../src/core/reading.js';
import { type Gateway, startGateway, verb } from './gateway.js';

const folder = mkdtempSync(join(tmpdir(), 'gyre-e2e-'));
const data = join(folder, 'data');
const tasks = family(7, { train: 16, gate: 6, numbers: 2, patterns: 0 });
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
  writeFileSync(join(folder, 'gyre.yaml'), 'learning: {samples: 4, max_states: 12}\n');
  const common = ['--data', data, '--config', join(folder, 'gyre.yaml')];
  await verb(['learn', '--tasks', join(folder, 'tasks.jsonl'), '--cycles', '0', ...common]);
  gateway = await startGateway(['--port', '0', ...common]);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any', maxRetries: 0, timeout: 120_000 });
});

afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function askTraining(from: number, to: number): Promise<void> {
  const asked = tasks.filter((task) => task.split === 'train').slice(from, to);
  await Promise.all(
    asked.map(async (task) => {
      const answer = await client.chat.completions.create({
        model: 'gyre',
        messages: task.messages as OpenAI.ChatCompletionMessageParam[],
        temperature: 0.7,
        max_tokens: 64,
        metadata: { gyre_task: task.id },
      });
      expect(answer.choices[0]?.finish_reason).toBeTruthy();
    }),
  );
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
    const { steps } = await get<TrajectoryView>(`/gyre/v1/trajectories/${response.headers.get('x-gyre-trajectory')}`);
    expect(shown).toBe(steps.map(({ action }) => action ?? '').join(''));
    expect(used?.completion_tokens).toBe(steps.reduce((sum, step) => sum + (step.token_ids?.length ?? 0), 0));
    for (const { token_ids: ids, logprobs } of steps) expect(logprobs).toHaveLength(ids?.length ?? -1);
    const ran = steps.flatMap((step) =>
      step.tool_calls.filter(({ owner, observation }) => owner === 'server' && observation !== null),
    );
    expect((used as unknown as { server_tool_use: { executed: number } }).server_tool_use.executed).toBe(ran.length);
  }
});

test('two updates are trained from live traffic, parity holds, and the gate decides with numbers', async () => {
  for (const [from, to] of [
    [0, 8],
    [8, 16],
  ] as const) {
    await askTraining(from, to);
    const row = await cycle();
    expect(row.state, row.note).toBe('done');
    expect(row.counts['examples']).toBeGreaterThan(0);
    expect(row.counts['drift'] ?? 0).toBe(0);
  }
  const { data: versions } = await get<{ data: ListedVersion[] }>('/gyre/v1/versions');
  expect(versions.map((version) => version.version)).toEqual([2, 1]);
  for (const version of versions) {
    const parity = version.decisions.find((decision) => decision.kind === 'parity');
    expect(parity?.passed, parity?.reason).toBe(true);
    expect(parity?.numbers['differs_from_base']).toBeGreaterThan(0);
    expect(version.decisions.find((decision) => decision.kind === 'gate')?.numbers['tasks']).toBe(
      tasks.filter((task) => task.split === 'heldout').length,
    );
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

test('a version that passed no gate cannot be promoted', async () => {
  const { data: versions } = await get<{ data: ListedVersion[] }>('/gyre/v1/versions');
  const refused = versions.find((version) =>
    version.decisions.some((decision) => decision.kind === 'gate' && !decision.passed),
  );
  if (refused === undefined)
    return expect(
      versions.every((version) => version.decisions.some((decision) => decision.kind === 'promotion')),
    ).toBe(true);
  const response = await fetch(`${gateway.url}/gyre/v1/versions/${refused.version}/promote`, { method: 'POST' });
  expect(response.status).toBe(409);
});

test('held-out tasks and steps without consent never reach a batch', async () => {
  const status = await get<{ dropped: Record<string, number> }>('/gyre/v1/status');
  // Evaluation runs without consent, so that is the first reason its steps meet.
  expect(status.dropped['no_consent']).toBeGreaterThan(0);
});

test('the log proves itself while the gateway serves', async () => {
  await verb(['verify', '--data', data]);
});
