/** Everything beside the answers: health, models, metrics, keys, consent, reading back, feedback. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { type Gateway, type GatewayOptions, startGateway } from '../../fakes/gateway.js';
import { fixedKeys } from '../../run/rows.js';

let gateway: Gateway;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };
const get = async (
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: never; headers: Headers }> => {
  const response = await fetch(gateway.url + path, { headers });
  const text = await response.text();
  return {
    status: response.status,
    body: (text.startsWith('{') ? JSON.parse(text) : text) as never,
    headers: response.headers,
  };
};

const KEYS = fixedKeys(
  (secret) =>
    (
      ({
        'sk-ann': { id: 'key-ann', role: 'client', train: true },
        'sk-bob': { id: 'key-bob', role: 'client', train: false },
        'sk-root': { id: 'key-root', role: 'admin', train: true },
      }) as const
    )[secret as 'sk-ann'],
);

describe('operations', () => {
  it('health tells of the process and its log', async () => {
    await start();
    expect((await get('/health')).body).toMatchObject({
      status: 'ok',
      version: 'test',
      policy_version: 0,
      log_failures: 0,
      in_flight: 0,
    });
  });

  it('ready says what is still coming up', async () => {
    let up = false;
    await start({
      deps: {
        parts: () => [
          { part: 'engine', ready: up, detail: 'loading weights' },
          { part: 'trainer', ready: true },
        ],
      },
    });
    expect(await get('/ready')).toMatchObject({
      status: 503,
      body: { ready: false, waiting_for: ['engine: loading weights'] },
    });
    up = true;
    expect(await get('/ready')).toMatchObject({ status: 200, body: { ready: true, waiting_for: [] } });
  });

  it('models are the alias, the base and every version', async () => {
    const { client } = await start();
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['gyre', 'gyre@base', 'gyre@1']);
    expect(await client.models.retrieve('gyre@1')).toMatchObject({ id: 'gyre@1', object: 'model', owned_by: 'gyre' });
    await expect(client.models.retrieve('nothing')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('metrics count requests, endings, tokens, tools and failures of the log', async () => {
    const { client, post } = await start({
      script: inTurn({ calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }] }, { text: 'two' }),
    });
    await client.chat.completions.create(ASK);
    await post({ nonsense: true });
    const { body, headers } = await get('/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    for (const line of [
      'gyre_requests_total{route="/v1/chat/completions",status="200"} 1',
      'gyre_requests_total{route="/v1/chat/completions",status="400"} 1',
      'gyre_answers_total{outcome="completed",stop_reason="stop"} 1',
      'gyre_tool_seconds_count{tool="calculator"} 1',
      'gyre_overhead_seconds_count 1',
      'gyre_time_to_first_token_seconds_count 1',
      'gyre_log_failures_total 0',
      'gyre_serving_version 0',
      'gyre_in_flight 0',
    ])
      expect(body).toContain(line);
  });

  it('a log that cannot write is counted, and the answer still goes out', async () => {
    const { client, store } = await start({ script: inTurn({ text: 'ok' }) });
    store.sqlite.exec('DROP TABLE steps');
    expect((await client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('ok');
    expect(((await get('/health')).body as { log_failures: number }).log_failures).toBeGreaterThan(0);
    expect((await get('/metrics')).body).toMatch(/gyre_log_failures_total [1-9]/);
  });

  it('a request id of the client is kept, a strange one is not', async () => {
    const { post } = await start({ script: inTurn({}) });
    expect((await post(ASK, { headers: { 'x-request-id': 'my-1' } })).headers.get('x-request-id')).toBe('my-1');
    expect(gateway.engine.requests[0]?.headers['x-request-id']).toBe('my-1');
    expect((await post(ASK, { headers: { 'x-request-id': 'a b"c' } })).headers.get('x-request-id')).toMatch(/^req-/);
    expect((await get('/health', { 'x-request-id': 'my-2' })).headers.get('x-request-id')).toBe('my-2');
  });
});

describe('with keys', () => {
  it('every route of the API wants one, health does not', async () => {
    await start({ deps: { keys: KEYS }, script: inTurn({}) });
    expect((await gateway.post(ASK)).status).toBe(401);
    expect((await get('/v1/models')).status).toBe(401);
    expect((await get('/gyre/v1/trajectories')).status).toBe(401);
    expect((await get('/health')).status).toBe(200);
    const refused = await gateway.post(ASK, { headers: { authorization: 'Bearer sk-wrong' } });
    expect(await refused.json()).toMatchObject({ error: { type: 'authentication_error', code: 'invalid_api_key' } });
    expect((await gateway.post(ASK, { headers: { authorization: 'Bearer sk-ann' } })).status).toBe(200);
    expect((await gateway.post(ASK, { headers: { 'x-api-key': 'sk-ann' } })).status).toBe(200);
    expect(gateway.logged[0]?.opening.asker).toEqual({ keyId: 'key-ann', consent: true });
  });

  it('consent is withheld by the key, by a header, or by store: false, and the step says so', async () => {
    await start({ deps: { keys: KEYS }, script: inTurn({}) });
    const ann = { authorization: 'Bearer sk-ann' };
    await gateway.post(ASK, { headers: { authorization: 'Bearer sk-bob' } });
    await gateway.post(ASK, { headers: { ...ann, 'x-gyre-train': 'no' } });
    await gateway.post({ ...ASK, store: false }, { headers: ann });
    await gateway.post({ ...ASK, store: true }, { headers: ann });
    expect(gateway.logged.map((entry) => [entry.opening.asker.consent, entry.steps[0]?.notTrainable])).toEqual([
      [false, 'no_consent'],
      [false, 'no_consent'],
      [false, 'no_consent'],
      [true, undefined],
    ]);
  });

  it('a client reads, rates and deletes only its own, an admin everything', async () => {
    await start({ deps: { keys: KEYS }, script: inTurn({ text: 'a' }) });
    const [ann, bob, root] = ['sk-ann', 'sk-bob', 'sk-root'].map((secret) => ({ authorization: `Bearer ${secret}` }));
    const asked = async (headers: Record<string, string> | undefined): Promise<{ id: string; trajectory: string }> => {
      const response = await gateway.post(ASK, { headers: headers ?? {} });
      const { id } = (await response.json()) as { id: string };
      return { id, trajectory: response.headers.get('x-gyre-trajectory') ?? '' };
    };
    const anns = await asked(ann);
    const bobs = await asked(bob);
    const at = (trajectory: string): string => `/gyre/v1/trajectories/${trajectory}`;

    expect((await get('/gyre/v1/trajectories?limit=1', ann)).body).toMatchObject({
      data: [{ id: anns.trajectory }],
      has_more: false,
    });
    expect((await get('/gyre/v1/trajectories?limit=1', root)).body).toMatchObject({
      data: [{ id: bobs.trajectory }],
      has_more: true,
    });
    expect((await get(at(anns.trajectory), root)).status).toBe(200);
    expect(await get(at(bobs.trajectory), ann)).toMatchObject({
      status: 404,
      body: { error: { code: 'trajectory_not_found', param: 'id' } },
    });

    const rate = async (body: unknown): Promise<[number, { error?: { param: string | null; code: string } }]> => {
      const response = await fetch(`${gateway.url}/v1/feedback`, {
        method: 'POST',
        headers: ann ?? {},
        body: JSON.stringify(body),
      });
      return [response.status, (await response.json()) as never];
    };
    const { id } = anns;
    expect(await rate({ response_id: id, value: true })).toMatchObject([200, { response_id: id, value: 1 }]);
    expect((await rate({ response_id: id, demonstration: 'better' }))[0]).toBe(200);
    expect((await rate({ response_id: bobs.id, value: -0.5 }))[1]).toMatchObject({
      error: { code: 'response_not_found', param: 'response_id' },
    });
    expect((await rate({ response_id: id }))[1]).toMatchObject({ error: { param: 'value' } });
    expect((await rate({ response_id: id, value: 2 }))[1]).toMatchObject({ error: { param: 'value' } });
    expect((await rate({ response_id: id, value: 1, step: -1 }))[1]).toMatchObject({ error: { param: 'step' } });
    expect((await rate({ response_id: id, value: 1, mood: 'x' }))[1]).toMatchObject({
      error: { param: 'mood', code: 'unknown_parameter' },
    });
    expect((await rate('{'))[0]).toBe(400);

    const deleted = async (trajectory: string): Promise<number> =>
      (await fetch(gateway.url + at(trajectory), { method: 'DELETE', headers: ann ?? {} })).status;
    expect(await deleted(bobs.trajectory)).toBe(404);
    expect(await deleted(anns.trajectory)).toBe(200);
    expect((await get(at(anns.trajectory), ann)).status).toBe(404);
  });
});

describe('what a request says about itself', () => {
  it('reaches the log: task, metadata, model, ids', async () => {
    const { client } = await start({ script: inTurn({}) });
    const answer = await client.chat.completions.create({ ...ASK, metadata: { gyre_task: 'task-7', team: 'a' } });
    expect(gateway.logged[0]?.opening).toMatchObject({
      taskId: 'task-7',
      metadata: { gyre_task: 'task-7', team: 'a' },
      model: 'gyre',
      responseId: answer.id,
      origin: 'live',
    });
  });

  it('is forwarded to the engine where the table says so, and marks the step', async () => {
    const { post } = await start({ script: inTurn({}) });
    await post({
      ...ASK,
      // With tools that may be called the form would hold for the answer alone.
      tool_choice: 'none',
      response_format: { type: 'json_object' },
      top_k: 5,
      chat_template_kwargs: { think: false },
      user: 'u',
      service_tier: 'auto',
      stop: ['x'],
      seed: 3,
    });
    const body = gateway.engine.requests[0]?.body;
    expect(body).toMatchObject({
      response_format: { type: 'json_object' },
      top_k: 5,
      chat_template_kwargs: { think: false },
      stop: ['x'],
      seed: 3,
      return_token_ids: true,
      logprobs: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(body).not.toHaveProperty('user');
    expect(gateway.logged[0]?.steps[0]?.notTrainable).toBe('constrained');
  });
});
