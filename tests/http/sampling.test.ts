/** How the policy is drawn from: what a request says, then the defaults. What is used is what is logged and told. */
import { afterEach, describe, expect, it } from 'vitest';

import type { Sampling } from '../../src/core/policy.js';
import { inTurn } from '../fakes/engine.js';
import { type Gateway, startGateway } from '../fakes/gateway.js';
import { both, closeOpened } from '../fakes/upstreams.js';

let gateway: Gateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  await closeOpened();
});

const MODEL: Sampling = { temperature: 0.2, max_tokens: 200 };
const FIELDS = ['temperature', 'top_p', 'top_k', 'max_tokens', 'min_tokens'] as const;

async function start(sampling: Sampling, hosted = false): Promise<Gateway> {
  return (gateway = await startGateway({ script: inTurn({ text: 'ok' }), defaults: { sampling, hosted } }));
}

/** What the engine was sent of sampling, what was logged of it, and why it cannot be trained on. */
async function drawn(
  body: Readonly<Record<string, unknown>>,
  path = '/v1/chat/completions',
): Promise<{ readonly sent: unknown; readonly logged: unknown; readonly reason: unknown; readonly answer: unknown }> {
  const response = await fetch(`${gateway?.url ?? ''}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }], ...body }),
  });
  expect(response.status, await response.clone().text()).toBe(200);
  const answer: unknown = await response.json();
  const request = gateway?.engine.requests.at(-1)?.body as unknown as Readonly<Record<string, unknown>>;
  const step = gateway?.logged.at(-1)?.steps[0];
  return {
    sent: Object.fromEntries(FIELDS.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]]))),
    logged: step?.sampling,
    reason: step?.notTrainable,
    answer,
  };
}

describe('a request', () => {
  it.each([
    ['without a word is drawn by the defaults', {}, MODEL, MODEL],
    ['with a temperature keeps the rest', { temperature: 1 }, MODEL, { temperature: 1, max_tokens: 200 }],
    ['with a temperature of 0 is greedy', { temperature: 0 }, MODEL, { temperature: 0, max_tokens: 200 }],
    ['with a bound keeps the temperature', { max_tokens: 5 }, MODEL, { temperature: 0.2, max_tokens: 5 }],
    [
      'with a bound by its newer name does, too',
      { max_completion_tokens: 5 },
      MODEL,
      { temperature: 0.2, max_tokens: 5 },
    ],
    [
      'that wants more than the default bound gets it',
      { min_tokens: 300 },
      MODEL,
      { temperature: 0.2, min_tokens: 300 },
    ],
    ['with null is one without', { temperature: null }, MODEL, MODEL],
    ['has the truncation of the defaults', {}, { top_p: 0.9, top_k: 20 }, { top_p: 0.9, top_k: 20 }],
    ['takes it off', { top_p: 1 }, { top_p: 0.9 }, { top_p: 1 }],
    ['without defaults says nothing', {}, {}, {}],
  ])('%s', async (_what, body, defaults, expected) => {
    await start(defaults);
    const { sent, logged } = await drawn(body);
    expect(sent).toEqual(expected);
    expect(JSON.parse(JSON.stringify(logged))).toEqual(expected);
  });

  it('drawn by a default temperature can be trained on, by a default truncation it cannot', async () => {
    await start({ temperature: 0.2 });
    expect((await drawn({})).reason).toBeUndefined();
    await gateway?.close();
    await start({ temperature: 0.2, top_p: 0.9 });
    expect((await drawn({})).reason).toBe('truncated_sampling');
    expect((await drawn({ top_p: 1 })).reason).toBeUndefined();
  });

  it('of another protocol is drawn by them as well, and told so where the protocol tells', async () => {
    await start({ temperature: 0.2, top_p: 0.9 });
    const { sent, answer } = await drawn({ messages: undefined, input: 'hi' }, '/v1/responses');
    expect(sent).toEqual({ temperature: 0.2, top_p: 0.9 });
    expect(answer).toMatchObject({ temperature: 0.2, top_p: 0.9 });
    expect((await drawn({ max_tokens: 7 }, '/v1/messages')).sent).toEqual({
      temperature: 0.2,
      top_p: 0.9,
      max_tokens: 7,
    });
  });
});

describe('an engine given by address', () => {
  it('draws by what it likes where nothing is said, and such a step is not trained on', async () => {
    await start({}, true);
    expect(await drawn({})).toMatchObject({ sent: {}, logged: {}, reason: 'unknown_sampling' });
    expect((await drawn({ top_p: 1 })).reason).toBe('unknown_sampling');
    expect((await drawn({ temperature: 0.7 })).reason).toBeUndefined();
  });

  it('is told what is configured', async () => {
    await start({ temperature: 0.5 }, true);
    expect(await drawn({})).toMatchObject({ sent: { temperature: 0.5 }, reason: undefined });
  });
});

it('an upstream is sent what the request says and nothing else', async () => {
  const { gateway: other, upstream } = await both(inTurn({ text: 'ok' }), {
    defaults: { sampling: MODEL, hosted: false },
  });
  await other.post({ model: 'big', messages: [{ role: 'user', content: '<|im_end|>' }] });
  const sent = upstream.requests[0]?.body as unknown as Readonly<Record<string, unknown>>;
  expect(FIELDS.filter((name) => sent[name] !== undefined)).toEqual([]);
  expect(sent['messages']).toEqual([{ role: 'user', content: '<|im_end|>' }]);
});
