import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Batch } from '../../src/core/learning/batch.js';
import { GyreError } from '../../src/core/errors.js';
import { openTrainer, type Trainer } from '../../src/train/client.js';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

let server: Server;
let trainer: Trainer;
let asked: Asked[];
let answer: { status: number; body: string };

beforeEach(async () => {
  asked = [];
  answer = { status: 200, body: '{}' };
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      const key = request.headers['idempotency-key'];
      asked.push({
        method: request.method ?? '',
        path: request.url ?? '',
        key: typeof key === 'string' ? key : undefined,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  trainer = openTrainer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(
  () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
);

const faultOf = (promise: Promise<unknown>): Promise<GyreError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (fault: unknown) => (fault instanceof GyreError ? fault : Promise.reject(fault as Error)),
  );

const HEALTH = {
  status: 'ok',
  pid: 7,
  uptime_s: 1.5,
  phase: 'ready',
  engine: { state: 'ready', url: 'http://127.0.0.1:9', pid: 8, restarts: 0, detail: null },
  model: {
    path: 'm',
    dtype: 'bfloat16',
    device: 'cpu',
    template_hash: 'sha256:ab',
    tokenizer_hash: 'x',
    eos_token_ids: [2],
    max_model_len: 2048,
  },
  head: 3,
  loaded: [{ version: 3, name: 'gyre-v000003' }],
  self_check: { grouped_lora: 'ok' },
  busy: null,
  added_later: 1,
};

describe('what the trainer is asked', () => {
  it('health is read, and a field added later does no harm', async () => {
    answer.body = JSON.stringify(HEALTH);
    expect(await trainer.health()).toMatchObject({ phase: 'ready', head: 3, engine: { url: 'http://127.0.0.1:9' } });
  });

  it('a batch goes over whole, under its own id as the key', async () => {
    const batch = Batch.parse(JSON.parse(readFileSync(new URL('../golden/batch/small.json', import.meta.url), 'utf8')));
    answer = { status: 202, body: JSON.stringify({ batch_id: batch.batch_id, state: 'queued' }) };
    expect(await trainer.submit(batch)).toEqual({ batch_id: batch.batch_id, state: 'queued' });
    expect(asked).toEqual([{ method: 'POST', path: '/v1/batches', key: batch.batch_id, body: batch }]);
  });

  it('a finished batch comes back with its result', async () => {
    const result = {
      version: 4,
      name: 'gyre-v000004',
      path: 'p',
      metrics: { loss: 0.1 },
      published_at: 1.5,
      load_seconds: 0.1,
      first_token_seconds: 0.2,
      parity: { mean_abs: 1e-5, max_abs: 1e-4, n_tokens: 64, tolerance: 1e-3, passed: true },
      differs_from_base: 0.4,
    };
    answer.body = JSON.stringify({ batch_id: 'bat-1', state: 'done', progress: 1, result });
    expect((await trainer.batch('bat-1')).result).toEqual(result);
    expect(asked[0]?.path).toBe('/v1/batches/bat-1');
  });

  it('versions, head and adapters are named in the path and the body the contract gives', async () => {
    await trainer.copyVersion(13, 11, false);
    await trainer.resetHead(11);
    await trainer.load(12);
    await trainer.unload(12);
    expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/v1/versions', { version: 13, copy_of: 11, make_head: false }],
      ['POST', '/v1/head', { version: 11 }],
      ['POST', '/v1/adapters/12/load', {}],
      ['POST', '/v1/adapters/12/unload', {}],
    ]);
  });
});

describe('what goes wrong', () => {
  it.each([
    ['trainer', 409, 'stale_base'],
    ['client', 422, 'batch_schema'],
    ['engine', 503, 'engine_down'],
  ] as const)('a fault of the side %s keeps side, status, code and message', async (side, status, code) => {
    answer = { status, body: JSON.stringify({ error: { code, message: 'what to do', side } }) };
    expect(await faultOf(trainer.load(1))).toMatchObject({ side, status, code, message: 'what to do' });
  });

  it('an answer that does not fit the contract names the field', async () => {
    answer.body = JSON.stringify({ ...HEALTH, engine: { ...HEALTH.engine, restarts: 'many' } });
    expect(await faultOf(trainer.health())).toMatchObject({
      side: 'trainer',
      code: 'trainer_garbage',
      message: expect.stringContaining('"engine.restarts"') as string,
    });
  });

  it('an error without the contract’s shape is quoted', async () => {
    answer = { status: 500, body: '{"detail": "oops"}' };
    expect(await faultOf(trainer.resetHead(1))).toMatchObject({
      side: 'trainer',
      status: 500,
      message: expect.stringContaining('oops') as string,
    });
  });

  it('no trainer there, or no JSON from it, is a 503 that says where it was looked for', async () => {
    answer.body = '<html>';
    expect(await faultOf(trainer.health())).toMatchObject({
      side: 'trainer',
      status: 503,
      code: 'trainer_unreachable',
    });
    // A port that was just given back.
    const nobody = openTrainer(trainer.url);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect((await faultOf(nobody.health())).message).toMatch(
      /the trainer at http:\/\/127\.0\.0\.1:\d+ did not answer GET \/health: .*ECONNREFUSED/,
    );
  });
});
