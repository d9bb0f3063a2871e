/** Labels over HTTP: what people say of steps, and what they are asked about next. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import type { LabelView, QueuedStep } from '../../../src/core/judging/labels.js';
import type { StepWithLineage, TrajectoryView } from '../../../src/core/reading.js';
import { verify } from '../../../src/store/proof/verify.js';
import { type EngineRequest, type Reply } from '../../fakes/engine.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';

/** Calls the calculator once for each question of a user, then answers. */
const counting = ({ body }: EngineRequest): Reply =>
  body.messages.at(-1)?.role === 'user'
    ? { calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"2+3"}' }] }
    : { text: 'It is 5.' };

let gateway: Gateway;
beforeEach(async () => {
  gateway = await startGateway({ script: counting, config: { redact: ['secret-\\d+'] } });
});
afterEach(async () => {
  await gateway.app.idle();
  expect(verify(gateway.store.db).problems).toEqual([]);
  await gateway.close();
});

interface Answered<T> {
  readonly status: number;
  readonly body: T & { readonly error?: { readonly message: string; readonly param: string; readonly code: string } };
}

async function ask<T>(method: string, path: string, body?: unknown, headers: object = {}): Promise<Answered<T>> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Answered<T>['body'] };
}
const label = (body: unknown, headers?: object) => ask<LabelView>('POST', '/gyre/v1/labels', body, headers);

/** The steps of an answer, and its conversation. */
async function answered(question = 'What is 2+3?', headers: Record<string, string> = {}) {
  const response = await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: question }] }, { headers });
  const trajectoryId = response.headers.get('x-gyre-trajectory') ?? '';
  const { id: responseId } = (await response.json()) as { id: string };
  const { body } = await ask<TrajectoryView>('GET', `/gyre/v1/trajectories/${trajectoryId}`, undefined, headers);
  const [first, last] = body.steps.map(({ id }) => id) as [string, string];
  return { trajectoryId, responseId, first, last };
}

test('a step is labelled, its verdict is the word of a person, and it is taken back', async () => {
  const { first, trajectoryId } = await answered();
  const given = await label({ step_id: first, good: false, comment: 'not asked for' });
  expect(given).toMatchObject({
    status: 200,
    body: { step_id: first, trajectory_id: trajectoryId, about: 'step', good: false, who: null, withdrawn: false },
  });
  const verdicts = async () =>
    (await ask<StepWithLineage>('GET', `/gyre/v1/steps/${first}`)).body.verdicts.filter(
      ({ judge }) => judge === 'person',
    );
  expect(await verdicts()).toMatchObject([{ judge_version: given.body.id, score: 0, good: false }]);
  expect((await label({ withdraw: given.body.id })).body).toMatchObject({ withdraws: given.body.id });
  expect((await verdicts()).at(-1)).toMatchObject({ score: null, good: null });
  const { body } = await ask<{ data: LabelView[] }>('GET', `/gyre/v1/labels?step_id=${first}`);
  expect(body.data.map(({ withdraws, withdrawn }) => [withdraws, withdrawn])).toEqual([
    [given.body.id, false],
    [null, true],
  ]);
});

test('a conversation is labelled by its answer, and several at once', async () => {
  const { first, last, trajectoryId } = await answered();
  const { status, body } = await ask<{ data: LabelView[] }>('POST', '/gyre/v1/labels', [
    { trajectory_id: trajectoryId, good: true },
    { step_id: first, good: null },
  ]);
  expect(status).toBe(200);
  expect(body.data.map((row) => [row.step_id, row.about, row.good])).toEqual([
    [last, 'trajectory', true],
    [first, 'step', null],
  ]);
  const { body: view } = await ask<{ verdict: object }>('GET', `/gyre/v1/trajectories/${trajectoryId}?view=summary`);
  expect(view.verdict).toMatchObject({ judge: 'person', good: true });
});

test('what cannot be a label is refused by its field, and nothing of a list is kept', async () => {
  const { first, trajectoryId } = await answered();
  const refused: readonly (readonly [unknown, number, string])[] = [
    [{ good: true }, 400, 'step_id'],
    [{ step_id: first, trajectory_id: trajectoryId, good: true }, 400, 'step_id'],
    [{ step_id: first }, 400, 'good'],
    [{ step_id: first, good: 'yes' }, 400, 'good'],
    [{ step_id: first, good: 1 }, 400, 'good'],
    [{ step_id: 7, good: true }, 400, 'step_id'],
    [{ step_id: first, good: true, score: 1 }, 400, 'score'],
    [{ step_id: 'step-none', good: true }, 404, 'step_id'],
    [{ trajectory_id: 'traj-none', good: true }, 404, 'trajectory_id'],
    [{ withdraw: 'lbl-none' }, 404, 'withdraw'],
    [{ step_id: first, good: false, demonstration: {} }, 400, 'demonstration'],
    [{ step_id: first, good: false, demonstration: { content: '' } }, 400, 'demonstration'],
    [
      {
        step_id: first,
        good: false,
        demonstration: { tool_calls: [{ function: { name: 'search', arguments: '{}' } }] },
      },
      400,
      'demonstration.tool_calls.0.function.name',
    ],
    [[{ step_id: first, good: true }, { step_id: first }], 400, '[1].good'],
    [
      [
        { step_id: first, good: true },
        { step_id: 'step-none', good: true },
      ],
      404,
      '[1].step_id',
    ],
  ];
  for (const [body, status, param] of refused) {
    const said = await label(body);
    expect([said.status, said.body.error?.param], JSON.stringify(body)).toEqual([status, param]);
  }
  expect((await label([])).status).toBe(400);
  expect((await label('"good"')).status).toBe(400);
  expect((await ask<{ data: unknown[] }>('GET', '/gyre/v1/labels')).body.data).toEqual([]);
});

test('of a deleted conversation there is nothing to label, and its labels are gone', async () => {
  const { first, trajectoryId } = await answered();
  await label({ step_id: first, good: true });
  await ask('DELETE', `/gyre/v1/trajectories/${trajectoryId}`);
  expect((await label({ step_id: first, good: true })).status).toBe(404);
  expect((await label({ trajectory_id: trajectoryId, good: true })).body.error?.message).toMatch(/was deleted/);
  expect((await ask<{ data: unknown[] }>('GET', '/gyre/v1/labels')).body.data).toEqual([]);
});

test('only an admin labels: a client rates its own answers', async () => {
  const client = gateway.key('ann', {}).headers;
  const admin = gateway.key('root', { role: 'admin' });
  const { first } = await answered('What is 2+3?', client);
  expect((await label({ step_id: first, good: true }, client)).status).toBe(403);
  for (const path of ['/gyre/v1/labels', '/gyre/v1/labels/next'])
    expect([(await ask('GET', path, undefined, client)).status, (await ask('GET', path)).status]).toEqual([403, 401]);
  expect((await label({ step_id: first, good: true }, admin.headers)).body).toMatchObject({ who: admin.id });
});

test('the queue has steps without verdicts, as many as are asked for, and none that is labelled', async () => {
  for (const question of ['What is 2+3?', 'How much is 2+3?', 'Tell me 2+3']) await answered(question);
  const next = async (query = ''): Promise<readonly QueuedStep[]> =>
    (await ask<{ data: QueuedStep[] }>('GET', `/gyre/v1/labels/next${query}`)).body.data;
  const some = await next('?count=3');
  expect(new Set(some.map(({ trajectory_id: id }) => id)).size).toBe(3);
  expect(JSON.stringify(some)).not.toMatch(/verdict|score/);
  const all = await next('?count=50');
  expect(all).toHaveLength(6);
  for (const { step_id: id } of all.slice(0, 4)) await label({ step_id: id, good: true });
  expect((await next()).map(({ step_id: id }) => id).sort()).toEqual(
    all
      .slice(4)
      .map(({ step_id: id }) => id)
      .sort(),
  );
  for (const wrong of ['0', '51', 'all', '1e1', '-1'])
    expect((await ask('GET', `/gyre/v1/labels/next?count=${wrong}`)).status).toBe(400);
  expect((await ask('GET', '/gyre/v1/labels/next?limit=3')).body.error?.code).toBe('unknown_parameter');
});

test('what is to be redacted is in no label', async () => {
  const { first } = await answered();
  const { body } = await label({
    step_id: first,
    good: false,
    comment: 'says secret-42',
    demonstration: { content: 'It is secret-7.' },
  });
  expect(body).toMatchObject({
    comment: 'says [redacted]',
    demonstration: { content: 'It is [redacted].' },
  });
});

test('a thumb over the same gateway is a verdict of feedback, and one turned round another', async () => {
  const { last, responseId } = await answered();
  for (const value of [true, false, true])
    expect((await ask('POST', '/v1/feedback', { response_id: responseId, value })).status).toBe(200);
  const { body } = await ask<StepWithLineage>('GET', `/gyre/v1/steps/${last}`);
  const words = body.verdicts.filter(({ judge }) => judge === 'feedback').map(({ good }) => good);
  expect(words).toEqual([true, false, true]);
});
