/** Who is told why a request failed: of a bug the operator alone, of addresses and reasons of the system an admin. */
import { afterEach, describe, expect, it } from 'vitest';

import { WebSocket } from 'ws';

import { internal } from '../../src/core/errors.js';
import type { LogWait } from '../../src/core/log.js';
import type { Policy } from '../../src/core/policy.js';
import { openServing } from '../../src/policy/serving/serving.js';
import { inTurn } from '../fakes/engine.js';
import { type Gateway, type GatewayOptions, startGateway } from '../fakes/gateway.js';

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hello' }] };
const NOWHERE = 'http://127.0.0.1:1';
const JSON_TYPE = { 'content-type': 'application/json' };

let gateway: Gateway;
afterEach(() => gateway.close());

const bugs: [unknown, string][] = [];
async function start(options: GatewayOptions): Promise<void> {
  bugs.length = 0;
  gateway = await startGateway({
    ...options,
    deps: { bug: (thrown, id) => bugs.push([thrown, id]), ...options.deps },
  });
}

async function told(path: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { ...JSON_TYPE, 'x-request-id': 'mine', ...headers },
    body: JSON.stringify(body),
  });
  return answer.text();
}

describe('a bug below an answer', () => {
  const broken = async (sample: Policy['sample']): Promise<void> => {
    const counter = { count: () => Promise.reject(internal('token 7 is broken')) };
    await start({
      deps: {
        serving: openServing({ engine: { policy: { sample }, counter }, versions: [], load: () => Promise.resolve() }),
      },
    });
  };
  const IS_NONE = new TypeError('x is not a function');

  it.each([
    ['chat', '/v1/chat/completions', ASK],
    ['chat, streamed', '/v1/chat/completions', { ...ASK, stream: true }],
    ['several choices', '/v1/chat/completions', { ...ASK, n: 2 }],
    ['responses', '/v1/responses', { model: 'gyre', input: 'hello' }],
    ['responses, streamed', '/v1/responses', { model: 'gyre', input: 'hello', stream: true }],
    ['messages', '/v1/messages', { ...ASK, max_tokens: 5 }],
    ['messages, streamed', '/v1/messages', { ...ASK, max_tokens: 5, stream: true }],
  ])('is told to the operator once, and counted: %s', async (_, path, body) => {
    await broken(() => {
      throw IS_NONE;
    });
    const answer = await told(path, body);
    expect(answer).toContain('The gateway failed unexpectedly');
    expect(answer).not.toContain('x is not a function');
    expect(bugs).toEqual([[IS_NONE, 'mine']]);
    expect(await gateway.app.metrics.text()).toMatch(/^gyre_internal_errors_total 1$/m);
  });

  it('that we threw ourselves is one, too', async () => {
    await broken(() => {
      throw internal('there is no batch 7');
    });
    for (const [path, body] of [
      ['/v1/chat/completions', ASK],
      ['/v1/messages/count_tokens', ASK],
    ] as const)
      expect(await told(path, body)).not.toMatch(/batch 7|token 7/);
    expect(bugs).toHaveLength(2);
    expect(await gateway.app.metrics.text()).toMatch(/^gyre_internal_errors_total 2$/m);
  });

  it('is one in what a reading thread made of it', async () => {
    await start({ depsOver: () => ({ reading: { trajectories: () => Promise.reject(internal('row 7')) } as never }) });
    const answer = await fetch(`${gateway.url}/gyre/v1/trajectories`, { headers: { 'x-request-id': 'mine' } });
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('row 7')]);
    expect(bugs).toEqual([[expect.objectContaining({ message: 'row 7' }), 'mine']]);
  });
});

describe('an address', () => {
  const bodies = [
    ['/v1/chat/completions', ASK],
    ['/v1/chat/completions', { ...ASK, stream: true }],
    ['/v1/responses', { model: 'gyre', input: 'hello', stream: true }],
    ['/v1/messages', { ...ASK, max_tokens: 5, stream: true }],
    ['/v1/messages/count_tokens', ASK],
    ['/v1/chat/completions', { ...ASK, model: 'big' }],
    ['/v1/embeddings', { model: 'big', input: 'x' }],
  ] as const;
  const dead = { engineUrl: NOWHERE, config: { upstreams: [{ url: NOWHERE, models: ['big'] }] } };

  it.each(bodies)('is read by an admin and by nobody else who has a key: %s %j', async (path, body) => {
    await start(dead);
    const [ann, root] = [gateway.key('ann').headers, gateway.key('root', { role: 'admin' }).headers];
    const answer = await told(path, body, ann);
    expect(answer).toContain('cannot be reached');
    expect(answer).not.toMatch(/127\.0\.0\.1|ECONNREFUSED/);
    expect(await told(path, body, root)).toContain('127.0.0.1:1');
  });

  it('is read by everyone where there are no keys', async () => {
    await start(dead);
    expect(await told('/v1/chat/completions', ASK)).toContain('127.0.0.1:1');
  });

  it('of an upstream is not in the list of models, nor in a refusal', async () => {
    await start(dead);
    const [ann, root] = [gateway.key('ann').headers, gateway.key('root', { role: 'admin' }).headers];
    for (const path of ['/v1/models', '/v1/models/big']) {
      const read = async (headers: Readonly<Record<string, string>>): Promise<string> =>
        (await fetch(gateway.url + path, { headers })).text();
      expect(await read(ann)).not.toContain('127.0.0.1');
      expect(await read(ann)).toContain('"owned_by":"upstream"');
      expect(await read(root)).toContain('"owned_by":"127.0.0.1:1"');
    }
  });
});

it("an engine's words for a failure of its own are an admin's, those for a refusal everyone's", async () => {
  await start({ script: inTurn({ status: 500, body: 'CUDA error at 10.0.0.7' }) });
  const [ann, root] = [gateway.key('ann').headers, gateway.key('root', { role: 'admin' }).headers];
  expect(await told('/v1/chat/completions', ASK, ann)).not.toContain('10.0.0.7');
  expect(await told('/v1/chat/completions', ASK, root)).toContain('10.0.0.7');
  gateway.engine.script = inTurn({ status: 400, body: 'no such stop' });
  expect(await told('/v1/chat/completions', ASK, ann)).toContain('no such stop');
});

it.each(['without keys', 'with keys'])("why the log waits is an admin's once there are keys: %s", async (how) => {
  const wait: LogWait = { since: Date.now(), reason: 'the disk is full (/srv/gyre)' };
  await start({
    depsOver: () => ({
      log: {
        failures: 0,
        state: { wait, uncommitted: { answers: 1, bytes: 9 }, wal: { bytes: 0, heldUp: 0 } },
      } as never,
    }),
  });
  const health = async (headers: Readonly<Record<string, string>> = {}): Promise<unknown> =>
    (await fetch(`${gateway.url}/health`, { headers })).json();
  if (how === 'without keys') return expect(await health()).toMatchObject({ log: { reason: wait.reason } });
  const [ann, root] = [gateway.key('ann').headers, gateway.key('root', { role: 'admin' }).headers];
  for (const headers of [{}, ann])
    expect(await health(headers)).toMatchObject({ log: { state: 'waiting', reason: null } });
  expect(await health(root)).toMatchObject({ log: { reason: wait.reason } });
});

it('a bug met where a WebSocket is opened is told to the operator, too', async () => {
  const broken = { required: () => true, fresh: () => Promise.reject(new TypeError('x is not a function')) };
  await start({ deps: { keys: broken as never, bug: (thrown, id) => bugs.push([thrown, id]) } });
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/responses`, {
    headers: { 'x-request-id': 'mine' },
  });
  const refusal = await new Promise<string>((resolve) => {
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_, incoming) => {
      incoming.setEncoding('utf8');
      incoming.on('data', (text: string) => resolve(text));
    });
  });
  expect(refusal).toContain('The gateway failed unexpectedly');
  expect(bugs).toEqual([[expect.objectContaining({ message: 'x is not a function' }), 'mine']]);
});
