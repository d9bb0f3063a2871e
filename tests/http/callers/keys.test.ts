/** Two keys on one gateway, over the real log and the real reading: what one did does not exist for the other. */
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { keep } from '../../../src/filter/filter.js';
import { learningRoutes } from '../../../src/learner/routes.js';
import { parseConfig } from '../../../src/core/config.js';
import { callerOf, requireAdmin, scopeOf } from '../../../src/http/callers/auth.js';
import { verify } from '../../../src/store/proof/verify.js';
import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, tool, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';
import { askOver, keyringOver } from '../../run/rows.js';
import { learningRowsOf } from '../../../src/run/reading/asked.js';
import { select, statusOf } from '../../learner/counted.js';

let gateway: Gateway;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

type Headers = Record<string, string>;
interface Told {
  readonly status: number;
  readonly body: never;
}

async function ask(method: string, path: string, headers: Headers, body?: unknown): Promise<Told> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as never };
}

const LOOK_UP: Reply = { calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"1+1"}' }] };
const QUESTION = { role: 'user' as const, content: 'What is 1+1?' };
const ANSWER = { role: 'assistant' as const, content: 'It is 2.' };

describe('what one key did', () => {
  let ann: Headers;
  let bob: Headers;
  let root: Headers;
  let answerId: string;
  let responseId: string;
  let trajectoryId: string;
  let stepId: string;

  beforeEach(async () => {
    await start({ script: inTurn(LOOK_UP, { text: 'It is 2.' }, LOOK_UP, { text: 'It is 2.' }, { text: 'Sure.' }) });
    ann = gateway.key('ann').headers;
    bob = gateway.key('bob').headers;
    root = gateway.key('root', { role: 'admin' }).headers;
    const answer = await ask('POST', '/v1/chat/completions', ann, { model: 'gyre', messages: [QUESTION] });
    answerId = (answer.body as { id: string }).id;
    responseId = (
      (await ask('POST', '/v1/responses', ann, { model: 'gyre', input: 'And again?' })).body as { id: string }
    ).id;
    trajectoryId = gateway.logged[0]?.trajectoryId ?? '';
    stepId = gateway.logged[0]?.steps[0]?.id ?? '';
  });

  const routes = (): readonly (readonly [method: string, path: string, body?: unknown])[] => [
    ['GET', `/gyre/v1/trajectories/${trajectoryId}`],
    ['DELETE', `/gyre/v1/trajectories/${trajectoryId}`],
    ['GET', `/gyre/v1/steps/${stepId}`],
    ['POST', '/v1/feedback', { response_id: answerId, value: true }],
    ['POST', '/v1/feedback', { response_id: answerId, value: true, step: 99 }],
    ['POST', '/v1/responses', { model: 'gyre', input: 'Go on.', previous_response_id: responseId }],
    ['POST', '/v1/responses', { model: 'gyre', input: 'Go on.', previous_response_id: answerId }],
  ];

  it('is as if it had never been for another, word for word, at every route', async () => {
    const asked = gateway.engine.requests.length;
    for (const [method, path, body] of routes()) {
      const guessed = (text: string): string =>
        [trajectoryId, stepId, answerId, responseId].reduce(
          (said, id) => said.replace(id, `${id.slice(0, -4)}0000`),
          text,
        );
      const theirs = await ask(method, path, bob, body);
      const nobodys = await ask(
        method,
        guessed(path),
        bob,
        body === undefined ? undefined : JSON.parse(guessed(JSON.stringify(body))),
      );
      expect(theirs.status, `${method} ${path}`).toBe(404);
      expect(nobodys.status).toBe(404);
      expect(guessed(JSON.stringify(theirs.body))).toBe(JSON.stringify(nobodys.body));
    }
    expect(gateway.engine.requests).toHaveLength(asked);
    expect(await ask('GET', '/gyre/v1/trajectories', bob)).toEqual({
      status: 200,
      body: { data: [], has_more: false },
    });
    const behind = async (id: string): Promise<Told> => ask('GET', `/gyre/v1/trajectories?after=${id}`, bob);
    const guess = `${trajectoryId.slice(0, -4)}0000`;
    expect((await behind(trajectoryId)).status).toBe(400);
    expect(JSON.stringify(await behind(trajectoryId)).replace(trajectoryId, guess)).toBe(
      JSON.stringify(await behind(guess)),
    );
    // It is all still there, and its owner's.
    expect(await ask('GET', `/gyre/v1/trajectories/${trajectoryId}`, ann)).toMatchObject({
      status: 200,
      body: { id: trajectoryId, feedback: [] },
    });
  });

  it('is its own to read, rate, go on from and delete, and an admin sees it all', async () => {
    const mine = (await ask('GET', '/gyre/v1/trajectories', ann)).body as { data: { id: string }[] };
    expect(mine.data.map((row) => row.id)).toContain(trajectoryId);
    await ask('POST', '/v1/chat/completions', bob, { model: 'gyre', messages: [{ role: 'user', content: 'Mine.' }] });
    const all = (await ask('GET', '/gyre/v1/trajectories', root)).body as { data: { key: string }[] };
    expect(new Set(all.data.map((row) => row.key)).size).toBe(2);
    expect((await ask('GET', `/gyre/v1/steps/${stepId}`, root)).status).toBe(200);
    expect((await ask('POST', '/v1/feedback', root, { response_id: answerId, value: false })).status).toBe(200);
    expect((await ask('POST', '/v1/feedback', ann, { response_id: answerId, value: true })).status).toBe(200);
    expect(
      (await ask('POST', '/v1/responses', ann, { model: 'gyre', input: 'Go on.', previous_response_id: responseId }))
        .status,
    ).toBe(200);
    expect(await ask('DELETE', `/gyre/v1/trajectories/${trajectoryId}`, ann)).toMatchObject({
      status: 200,
      body: { id: trajectoryId, deleted: true },
    });
    // An admin reads everyone's, but its own conversations are its own.
    expect(
      (await ask('POST', '/v1/responses', root, { model: 'gyre', input: 'Go on.', previous_response_id: responseId }))
        .status,
    ).toBe(404);
  });

  it('is not put back into a conversation that another sends, however like it that is', async () => {
    const next = { role: 'user', content: 'Sure?' };
    const before = gateway.engine.requests.length;
    await ask('POST', '/v1/chat/completions', bob, { model: 'gyre', messages: [QUESTION, ANSWER, next] });
    expect(gateway.engine.requests[before]?.body.messages).toEqual([QUESTION, ANSWER, next]);
    expect(gateway.logged.at(-1)?.trajectoryId).not.toBe(trajectoryId);
    await ask('POST', '/v1/chat/completions', ann, { model: 'gyre', messages: [QUESTION, ANSWER, next] });
    expect(gateway.engine.requests[before + 1]?.body.messages.map((message) => message.role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
    ]);
    expect(gateway.logged.at(-1)?.trajectoryId).toBe(trajectoryId);
    expect(verify(gateway.store.db).problems).toEqual([]);
  });

  it('is out of reach of a key that is revoked, and of nobody', async () => {
    for (const headers of [{}, { authorization: 'Bearer gyre_sk_guessed' }, { 'x-api-key': '' }] as Headers[]) {
      for (const [method, path, body] of routes()) expect((await ask(method, path, headers, body)).status).toBe(401);
    }
  });
});

it("the learning clock's routes want a key too, and an admin's to steer", async () => {
  // The rows and the keys of the gateway's folder, by connections of their own.
  const first = await start();
  const keys = keyringOver(first.store.db);
  const ann = first.key('ann').headers;
  const root = first.key('root', { role: 'admin' }).headers;
  const steered: string[] = [];
  const app = learningRoutes({
    rows: learningRowsOf(askOver(first.store.db), () => ({ trainer: false, learn: true })),
    start: () => (steered.push('cycle'), Promise.reject(new Error('no trainer here'))),
    promote: () => (steered.push('promote'), Promise.reject(new Error('no trainer here'))),
    rollback: () => (steered.push('rollback'), Promise.reject(new Error('no trainer here'))),
    restart: () => (steered.push('restart'), Promise.reject(new Error('no trainer here'))),
    allow: async (request, admin) => scopeOf(await (admin ? requireAdmin : callerOf)(keys, request)),
    body: () => Promise.resolve({}),
  });
  const other = await startGateway({ deps: { keys, extra: () => [app] } });
  try {
    const status = async (method: string, path: string, headers: Headers): Promise<number> =>
      (await fetch(`${other.url}/gyre/v1${path}`, { method, headers })).status;
    for (const path of ['/status', '/versions', '/cycles', '/cycles/cyc-1']) {
      expect(await status('GET', path, {}), path).toBe(401);
      expect(await status('GET', path, ann), path).toBe(path === '/cycles/cyc-1' ? 404 : 200);
    }
    for (const path of ['/versions/1/promote', '/rollback', '/restart', '/cycles']) {
      expect(await status('POST', path, {}), path).toBe(401);
      expect(await status('POST', path, ann), path).toBe(403);
    }
    expect(steered).toEqual([]);
    for (const path of ['/versions/1/promote', '/rollback', '/restart', '/cycles']) await status('POST', path, root);
    expect(steered).toEqual(['promote', 'rollback', 'restart', 'cycle']);
  } finally {
    await other.close();
  }
});

describe('server tools of a key', () => {
  const tools = ['calculator', 'lookup', 'weather'].map((name) => tool(name, () => `${name} ran`));
  const offered = (): unknown => gateway.engine.requests.at(-1)?.body.tools?.map((each) => each.function.name) ?? [];
  const post = (headers: Headers, more: Record<string, unknown> = {}): Promise<Told> =>
    ask('POST', '/v1/chat/completions', headers, { model: 'gyre', messages: [QUESTION], ...more });

  it('are what it is offered by default, and all it may name', async () => {
    await start({ tools });
    const any = gateway.key('any').headers;
    const some = gateway.key('some', { tools: ['lookup', 'weather', 'not_here'] }).headers;
    const none = gateway.key('none', { tools: [] }).headers;
    await post(any);
    expect(offered()).toEqual(['calculator']);
    await post(some);
    expect(offered()).toEqual(['lookup', 'weather']);
    await post(some, { tools: [{ type: 'gyre:weather' }] });
    expect(offered()).toEqual(['weather']);
    await post(none);
    expect(offered()).toEqual([]);
    await post(any, { tools: [{ type: 'gyre:lookup' }] });
    expect(offered()).toEqual(['lookup']);
    // A function of the client's own is no server tool, whatever its name.
    await post(some, { tools: [{ type: 'function', function: { name: 'calculator' } }] });
    expect(offered()).toEqual(['calculator', 'lookup', 'weather']);
  });

  it.each([
    ['/v1/chat/completions', { messages: [QUESTION] }],
    ['/v1/responses', { input: 'q' }],
  ])('%s refuses another by name', async (path, said) => {
    await start({ tools });
    const some = gateway.key('some', { tools: ['lookup'] }).headers;
    const none = gateway.key('none', { tools: [] }).headers;
    const refused = await ask('POST', path, some, { model: 'gyre', ...said, tools: [{ type: 'gyre:calculator' }] });
    expect(refused).toMatchObject({
      status: 403,
      body: {
        error: {
          type: 'permission_error',
          code: 'tool_not_allowed',
          param: 'tools',
          message: 'This key may not use the server tool "gyre:calculator". It may use: gyre:lookup.',
        },
      },
    });
    expect(
      (await ask('POST', path, none, { model: 'gyre', ...said, tools: [{ type: 'gyre:lookup' }] })).body,
    ).toMatchObject({ error: { message: expect.stringContaining('It may use: none.') as string } });
    // Of what does not exist it is told only what it may have.
    expect(await ask('POST', path, some, { model: 'gyre', ...said, tools: [{ type: 'gyre:lookapp' }] })).toMatchObject({
      status: 400,
      body: {
        error: { message: expect.stringMatching(/Did you mean "gyre:lookup"\? There are: gyre:lookup\.$/) as string },
      },
    });
    expect(
      (await ask('POST', path, some, { model: 'gyre', ...said, tool_choice: { type: 'gyre:calculator' } })).body,
    ).toMatchObject({ error: { param: 'tool_choice', message: expect.stringContaining('"calculator"') as string } });
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it('that are not its own are not run when the policy calls them', async () => {
    const ran: string[] = [];
    await start({
      tools: ['calculator', 'lookup'].map((name) => tool(name, () => (ran.push(name), 'ok'))),
      script: inTurn(
        {
          calls: [
            { name: 'calculator', arguments: '{}' },
            { name: 'lookup', arguments: '{}' },
          ],
        },
        { text: 'done' },
      ),
    });
    await post(gateway.key('some', { tools: ['lookup'] }).headers);
    expect(ran).toEqual(['lookup']);
  });
});

describe('consent that is withheld', () => {
  it('shows on the step, and is counted by every filter and by the status; nothing of it is taken up', async () => {
    await start({ script: inTurn({ text: 'a' }), tools: [] });
    const ann = gateway.key('ann').headers;
    const quiet = gateway.key('quiet', { train: false }).headers;
    const client = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: ann['authorization']?.slice(7) ?? '',
      maxRetries: 0,
    });
    const messages = [QUESTION];
    await client.chat.completions.create({ model: 'gyre', messages }, { headers: { 'x-gyre-train': 'no' } });
    await client.chat.completions.create({ model: 'gyre', messages, store: false });
    await client.responses.create({ model: 'gyre', input: 'q', store: false });
    await ask('POST', '/v1/chat/completions', quiet, { model: 'gyre', messages });
    await client.chat.completions.create({ model: 'gyre', messages });

    const read = await Promise.all(
      gateway.logged.map(
        async ({ steps }) =>
          (
            await ask(
              'GET',
              `/gyre/v1/steps/${steps[0]?.id ?? ''}`,
              steps[0] === gateway.logged[3]?.steps[0] ? quiet : ann,
            )
          ).body as { trainable: boolean; not_trainable_reason?: string },
      ),
    );
    expect(read.map(({ trainable, not_trainable_reason: reason }) => [trainable, reason])).toEqual([
      ...Array.from({ length: 4 }, () => [false, 'no_consent']),
      [true, undefined],
    ]);
    const listed = (await ask('GET', '/gyre/v1/trajectories', ann)).body as { data: { consent: boolean }[] };
    expect(listed.data.map((row) => row.consent)).toEqual([true, false, false, false]);

    for (const filter of ['none', 'process', 'outcome', 'both', 'prefix'] as const) {
      for (const mode of ['resample', 'logged', 'sft'] as const) {
        const { kept, dropped } = select(gateway.store.db, filter, mode);
        expect(dropped['no_consent'], `${filter} ${mode}`).toBe(4);
        expect(kept.every((candidate) => candidate.consent)).toBe(true);
      }
    }
    expect(select(gateway.store.db, 'none', 'resample').kept.map((candidate) => candidate.stepId)).toEqual([
      gateway.logged[4]?.steps[0]?.id,
    ]);
    expect(statusOf(gateway.store.db, parseConfig({}), { trainer: true, learn: true })).toMatchObject({
      new_states: 1,
      dropped: { no_consent: 4 },
    });
    expect(
      keep(
        {
          policyVersion: 0,
          consent: false,
          heldout: true,
          evaluated: true,
          finished: false,
          hasState: false,
          told: false,
          withdrawn: false,
          notTrainable: 'redacted',
        },
        'none',
        'sft',
        0,
      ),
    ).toEqual({ keep: false, reason: 'no_consent' });
  });
});
