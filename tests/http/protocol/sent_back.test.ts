/** What an upstream said with its calls comes back to it by way of the client, in every protocol. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { ASK, both, closeOpened } from '../../fakes/upstreams.js';

afterEach(closeOpened);

const SIGNED = { google: { thought_signature: 'SIG' } };
const WEATHER = { name: 'weather', parameters: { type: 'object' } };
const OURS = { index: 0, id: 'c0', function: { name: 'calculator', arguments: '{"expression":"2+3"}' } };
const THEIRS = { index: 1, id: 'w', function: { name: 'weather', arguments: '{}' }, extra_content: SIGNED };
const turnOf = (name: string, ...calls: object[]): Reply => ({
  deltas: [{ [name]: 'Hm.' }, { tool_calls: calls }],
  finish: 'tool_calls',
});
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

it('thinking blocks of the Messages API are its reasoning again, and others’ are not', async () => {
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
  expect(await goOn(forged)).not.toHaveProperty('reasoning_content');
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
