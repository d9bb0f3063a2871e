/** What an upstream said in its turns comes back to it, from the log or by way of the client, in every protocol. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { type Engine, inTurn, type Reply } from '../../fakes/engine.js';
import type { Gateway } from '../../fakes/gateway.js';
import { ASK, both, closeOpened, server, start } from '../../fakes/upstreams.js';

afterEach(closeOpened);

const SIGNED = { google: { thought_signature: 'SIG' } };
const WEATHER = { name: 'weather', parameters: { type: 'object' } };
const OURS = { index: 0, id: 'c0', function: { name: 'calculator', arguments: '{"expression":"2+3"}' } };
const THEIRS = { index: 1, id: 'w', function: { name: 'weather', arguments: '{}' }, extra_content: SIGNED };
const turnOf = (name: string, ...calls: object[]): Reply => ({
  deltas: [{ [name]: 'Hm.' }, { tool_calls: calls }],
  finish: 'tool_calls',
});
interface Call {
  readonly id: string;
  readonly extra_content?: unknown;
}
const TOOLS = [{ type: 'gyre:calculator' }, { type: 'function', function: WEATHER }];

it.each(['reasoning', 'reasoning_content'])(
  'a mixed turn that begins with our call has its signature and its reasoning, as %s',
  async (name) => {
    const { gateway, upstream } = await both(inTurn(turnOf(name, OURS, THEIRS), { text: 'warm' }));
    const body = { ...ASK, tools: TOOLS };
    const first = (await (await gateway.post(body)).json()) as { choices: { message: object }[] };
    const turn = first.choices[0]?.message;
    expect(turn).toMatchObject({ reasoning: 'Hm.', tool_calls: [{ id: 'w', extra_content: SIGNED }] });
    const result = { role: 'tool', tool_call_id: 'w', content: '21' };
    expect((await gateway.post({ ...body, messages: [...ASK.messages, turn, result] })).status).toBe(200);
    const sent = upstream.requests[1]?.body.messages[1] as unknown as Record<string, unknown>;
    expect(sent).toMatchObject({ [name]: 'Hm.', tool_calls: [{ id: 'c0' }, { id: 'w', extra_content: SIGNED }] });
    expect(Object.keys(sent).filter((field) => field.startsWith('reasoning'))).toEqual([name]);
  },
);

it('reasoning of a server that has parts for it, and no text, is not sent to it as a text', async () => {
  const thought = { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] };
  const { gateway, upstream } = await both(
    inTurn(
      { deltas: [{ content: [thought] }, { tool_calls: [{ ...THEIRS, index: 0 }] }], finish: 'tool_calls' },
      { text: 'warm' },
    ),
  );
  const body = { ...ASK, tools: TOOLS };
  const first = (await (await gateway.post(body)).json()) as { choices: { message: object }[] };
  const result = { role: 'tool', tool_call_id: 'w', content: '21' };
  await gateway.post({ ...body, messages: [...ASK.messages, first.choices[0]?.message, result] });
  expect(JSON.stringify(upstream.requests[1]?.body.messages)).not.toContain('reasoning');
});

it('thinking blocks of the Messages API are its reasoning again, and never what was made of them', async () => {
  const { gateway, upstream } = await both(
    inTurn(turnOf('reasoning_content', { ...THEIRS, index: 0 }), { text: 'warm' }),
  );
  const client = new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
  const asked = {
    model: 'big',
    max_tokens: 2_000,
    thinking: { type: 'enabled' as const, budget_tokens: 1_024 },
    tools: [{ name: 'weather', input_schema: { type: 'object' as const } }],
  };
  const question = { role: 'user' as const, content: 'hi' };
  const { content } = await client.messages.create({ ...asked, messages: [question] });
  const result: Anthropic.MessageParam = {
    role: 'user',
    content: [{ type: 'tool_result', tool_use_id: 'w', content: '21' }],
  };
  const goOn = async (turn: Anthropic.ContentBlockParam[]): Promise<unknown> => {
    await client.messages.create({ ...asked, messages: [question, { role: 'assistant', content: turn }, result] });
    return upstream.requests.at(-1)?.body.messages[1];
  };
  expect(await goOn(content)).toMatchObject({ reasoning_content: 'Hm.', tool_calls: [{ id: 'w' }] });
  const forged = content.map((block) => (block.type === 'thinking' ? { ...block, thinking: 'Ha.' } : block));
  // The log knows what it was.
  expect(await goOn(forged)).toMatchObject({ reasoning_content: 'Hm.' });
});

it('reasoning items of the Responses API are too; the policy’s own engine is sent none of it', async () => {
  const { gateway, upstream } = await both(
    inTurn(turnOf('reasoning_content', { ...THEIRS, index: 0 }), { text: 'warm' }),
    { script: inTurn({ text: 'cold' }) },
  );
  const ask = async (model: string, input: unknown): Promise<{ output: object[] }> =>
    (await (
      await fetch(`${gateway.url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, input, tools: [{ type: 'function', ...WEATHER }] }),
      })
    ).json()) as { output: object[] };
  const question = { role: 'user', content: 'hi' };
  const { output } = await ask('big', [question]);
  const next = [question, ...output, { type: 'function_call_output', call_id: 'w', output: '21' }];
  await ask('big', next);
  expect(upstream.requests[1]?.body.messages[1]).toMatchObject({ reasoning_content: 'Hm.', tool_calls: [{ id: 'w' }] });
  await ask('gyre', next);
  expect(JSON.stringify(gateway.engine.requests[0]?.body.messages)).not.toContain('reasoning_content');
});

/** A turn as DeepSeek, Gemini and Mistral each would write it, at once. */
const PARTS = [
  { type: 'thinking', thinking: [{ type: 'text', text: 'Well.' }] },
  { type: 'text', text: 'Let me see.' },
];
const RICH: Reply = {
  deltas: [
    { reasoning_content: 'Hm.' },
    ...PARTS.map((part) => ({ content: [part] })),
    { tool_calls: [{ ...THEIRS, index: 0 }] },
  ],
  finish: 'tool_calls',
};
const AS_IT_CAME = {
  role: 'assistant',
  reasoning_content: 'Hm.',
  content: PARTS,
  tool_calls: [{ id: 'w', extra_content: SIGNED }],
};
const OUTPUT = { type: 'function_call_output', call_id: 'w', output: '21' };
const QUESTION = { role: 'user', content: 'hi' };

interface Responding {
  readonly upstream: Engine;
  readonly gateway: Gateway;
  ask(body: object): Promise<{ readonly id: string; readonly output: readonly { readonly id: string }[] }>;
}
async function responding(...replies: Reply[]): Promise<Responding> {
  const { gateway, upstream } = await both(inTurn(...replies), { script: inTurn({ text: 'cold' }) });
  return {
    gateway,
    upstream,
    ask: async (body) => {
      const response = await fetch(`${gateway.url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'big', tools: [{ type: 'function', ...WEATHER }], ...body }),
      });
      expect(response.status).toBe(200);
      return (await response.json()) as Awaited<ReturnType<Responding['ask']>>;
    },
  };
}

describe('a turn of an upstream goes back to it as it came', () => {
  it('with previous_response_id, however long ago it was', async () => {
    const { ask, upstream } = await responding(RICH, { text: 'Warm.', reasoning: 'Easy.' }, { text: 'Yes.' });
    const first = await ask({ input: 'hi' });
    const second = await ask({ previous_response_id: first.id, input: [OUTPUT] });
    expect(upstream.requests[1]?.body.messages).toMatchObject([QUESTION, AS_IT_CAME, { role: 'tool', content: '21' }]);
    await ask({ previous_response_id: second.id, input: 'Sure?' });
    const [, turn, , answer] = upstream.requests[2]?.body.messages ?? [];
    expect(turn).toMatchObject(AS_IT_CAME);
    // Without calls, plain reasoning is what many servers refuse.
    expect(answer).toEqual({ role: 'assistant', content: 'Warm.' });
  });

  it('with references to its items', async () => {
    const { ask, upstream } = await responding(RICH, { text: 'Warm.' });
    const { output } = await ask({ input: [QUESTION] });
    await ask({ input: [QUESTION, ...output.map(({ id }) => ({ type: 'item_reference', id })), OUTPUT] });
    expect(upstream.requests[1]?.body.messages[1]).toMatchObject(AS_IT_CAME);
  });

  it('from a client that has dropped all of it, with the turns of our tools', async () => {
    const ours: Reply = {
      deltas: [{ reasoning_content: 'First.' }, { tool_calls: [{ ...OURS, extra_content: SIGNED }] }],
      finish: 'tool_calls',
    };
    const { gateway, upstream } = await both(inTurn(ours, RICH, { text: 'Warm.' }));
    const body = { ...ASK, tools: TOOLS };
    const first = (await (await gateway.post(body)).json()) as { choices: { message: { tool_calls: Call[] } }[] };
    const calls = first.choices[0]?.message.tool_calls.map(({ extra_content: _, ...call }) => call);
    const bare = { role: 'assistant', content: null, tool_calls: calls };
    await gateway.post({
      ...body,
      messages: [...ASK.messages, bare, { role: 'tool', tool_call_id: 'w', content: '21' }],
    });
    expect(upstream.requests[2]?.body.messages).toMatchObject([
      QUESTION,
      { reasoning_content: 'First.', tool_calls: [{ id: 'c0', extra_content: SIGNED }] },
      { role: 'tool', content: '5' },
      AS_IT_CAME,
      { role: 'tool', content: '21' },
    ]);
  });

  it('unless it is one that refuses what it wrote', async () => {
    const upstream = await server(inTurn(RICH, { text: 'Warm.' }), ['big']);
    const gateway = await start([{ url: upstream.url, models: ['big'], resend: 'plain' }]);
    const body = { ...ASK, tools: TOOLS };
    const first = (await (await gateway.post(body)).json()) as { choices: { message: object }[] };
    const result = { role: 'tool', tool_call_id: 'w', content: '21' };
    await gateway.post({ ...body, messages: [...ASK.messages, first.choices[0]?.message, result] });
    expect(JSON.stringify(upstream.requests[1]?.body.messages)).not.toMatch(/reasoning|SIG|thinking/);
  });

  it('and to nobody else: no other model of its server, nor the policy, whatever its client sends', async () => {
    const { ask, upstream, gateway } = await responding(RICH, { text: 'Other.' });
    const { id, output } = await ask({ input: [QUESTION] });
    const whole = [QUESTION, ...output, OUTPUT];
    await ask({ model: 'vendor/small', previous_response_id: id, input: [OUTPUT] });
    await ask({ model: 'vendor/small', input: whole });
    await ask({ model: 'gyre', previous_response_id: id, input: [OUTPUT] });
    await ask({ model: 'gyre', input: whole });
    const sent = [...upstream.requests.slice(1), ...gateway.engine.requests].map(({ body }) => body.messages);
    expect(sent).toHaveLength(4);
    for (const messages of sent) {
      expect(messages).toMatchObject([QUESTION, { role: 'assistant', tool_calls: [{ id: 'w' }] }, { role: 'tool' }]);
      expect(JSON.stringify(messages)).not.toMatch(/reasoning|Hm\.|SIG|thinking/);
    }
  });

  it('nor is what the policy reasoned sent to an upstream as its own', async () => {
    const weather = { calls: [{ id: 'w', name: 'weather', arguments: '{}' }], reasoning: 'Mine.' };
    const { gateway, upstream } = await both(inTurn({ text: 'ok' }), { script: inTurn(weather, { text: 'ok' }) });
    const body = { ...ASK, model: 'gyre', tools: TOOLS };
    const first = (await (await gateway.post(body)).json()) as { choices: { message: object }[] };
    expect(first.choices[0]?.message).toMatchObject({ reasoning: 'Mine.' });
    const result = { role: 'tool', tool_call_id: 'w', content: '21' };
    const next = { ...body, messages: [...ASK.messages, first.choices[0]?.message, result] };
    await gateway.post({ ...next, model: 'big' });
    expect(JSON.stringify(upstream.requests[0]?.body.messages)).not.toContain('Mine.');
    await gateway.post(next);
    expect(gateway.engine.requests[1]?.body.messages[1]).toMatchObject({ reasoning: 'Mine.' });
  });

  it('and no other key’s: to it the turn never was', async () => {
    const { gateway, upstream } = await both(inTurn(RICH, { text: 'Warm.' }));
    const [a, b] = [gateway.key('a'), gateway.key('b')];
    const body = { ...ASK, tools: TOOLS };
    await (await gateway.post(body, { headers: a.headers })).text();
    const calls = [{ id: 'w', type: 'function', function: { name: 'weather', arguments: '{}' } }];
    const turn = { role: 'assistant', content: 'Let me see.', tool_calls: calls };
    const result = { role: 'tool', tool_call_id: 'w', content: '21' };
    const next = { ...body, messages: [...ASK.messages, turn, result] };
    for (const { headers } of [b, a]) await (await gateway.post(next, { headers })).text();
    expect(JSON.stringify(upstream.requests[1]?.body.messages)).not.toMatch(/Hm|SIG/);
    expect(upstream.requests[2]?.body.messages[1]).toMatchObject(AS_IT_CAME);
  });

  it('but where a redactor found something in it, only its words', async () => {
    const { gateway, upstream } = await both(inTurn(RICH, { text: 'Warm.' }), { config: { redact: ['SIG'] } });
    const body = { ...ASK, tools: TOOLS };
    const first = (await (await gateway.post(body)).json()) as { choices: { message: { tool_calls: Call[] } }[] };
    const calls = first.choices[0]?.message.tool_calls.map(({ extra_content: _, ...call }) => call);
    const turn = { role: 'assistant', content: 'Let me see.', tool_calls: calls };
    const result = { role: 'tool', tool_call_id: 'w', content: '21' };
    await gateway.post({ ...body, messages: [...ASK.messages, turn, result] });
    expect(upstream.requests[1]?.body.messages[1]).toMatchObject({ content: 'Let me see.', tool_calls: [{ id: 'w' }] });
    const columns = gateway.store.sqlite.prepare('SELECT native FROM steps').all();
    expect(JSON.stringify(columns)).not.toMatch(/SIG|Hm/);
  });
});
