/** Upstreams as they are: their own fields go back to them, their words for the end and their bytes are bounded. */
import { afterEach, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { tool } from '../../fakes/gateway.js';
import { ASK, both, closeOpened, refused, server, start } from '../../fakes/upstreams.js';

afterEach(closeOpened);

const sum = { name: 'calculator', arguments: '{"expression":"2+3"}' };
const SIGNED = { google: { thought_signature: 'SIG' } };
/** A turn of a server that reasons, with a call of our tool. */
const THOUGHT: Reply = {
  deltas: [
    { reasoning_content: 'I will ' },
    { reasoning_content: 'add.' },
    { tool_calls: [{ index: 0, id: 'c1', type: 'function', function: sum, extra_content: SIGNED }] },
  ],
  finish: 'tool_calls',
};

it('a turn with server tools goes back as it came, and the log has none of it', async () => {
  const { gateway, upstream } = await both(inTurn(THOUGHT, THOUGHT, { text: 'It is 5.' }));
  await gateway.client.chat.completions.create(ASK);
  const turns = upstream.requests[2]?.body.messages.filter(({ role }) => role === 'assistant');
  expect(turns).toHaveLength(2);
  for (const turn of turns ?? [])
    expect(turn).toMatchObject({
      reasoning_content: 'I will add.',
      tool_calls: [{ id: 'c1', function: sum, extra_content: SIGNED }],
    });
  expect(
    JSON.stringify(gateway.logged[0]?.steps.flatMap(({ appended, messages }) => [appended, messages])),
  ).not.toMatch(/SIG|reasoning_content/);
});

it('or only in the words of the protocol, where the configuration says so', async () => {
  const upstream = await server(inTurn(THOUGHT, { text: 'It is 5.' }), ['big']);
  const gateway = await start([{ url: upstream.url, models: ['big'], resend: 'plain' }]);
  await gateway.client.chat.completions.create(ASK);
  const turn = upstream.requests[1]?.body.messages[1];
  expect(Object.keys(turn ?? {}).sort()).toEqual(['content', 'role', 'tool_calls']);
  expect(JSON.stringify(turn)).not.toContain('SIG');
});

it("the policy's own engine is sent none of it", async () => {
  const { gateway } = await both(inTurn({}), { script: inTurn(THOUGHT, { text: 'It is 5.' }) });
  await gateway.client.chat.completions.create({ ...ASK, model: 'gyre' });
  expect(JSON.stringify(gateway.engine.requests[1]?.body.messages)).not.toMatch(/SIG|reasoning_content/);
});

it("a client's call has its signature, streamed and whole, and what comes beside text", async () => {
  const weather = { type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } };
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
  const { gateway } = await both(
    inTurn({
      deltas: [
        { content: 'See:' },
        { images: [image] },
        { tool_calls: [{ index: 0, id: 'w', function: { name: 'weather', arguments: '' }, extra_content: SIGNED }] },
      ],
      finish: 'tool_calls',
    }),
  );
  const body = { ...ASK, tools: [weather] };
  const whole = (await (await gateway.post(body)).json()) as object;
  expect(whole).toMatchObject({
    choices: [
      {
        finish_reason: 'tool_calls',
        message: {
          content: 'See:',
          images: [image],
          tool_calls: [{ id: 'w', function: { name: 'weather', arguments: '{}' }, extra_content: SIGNED }],
        },
      },
    ],
  });
  const streamed = await (await gateway.post({ ...body, stream: true })).text();
  expect(streamed).toContain(`"extra_content":${JSON.stringify(SIGNED)}`);
  expect(streamed).toContain(`"images":${JSON.stringify([image])}`);
  expect(gateway.warnings).toEqual([expect.stringContaining('sends images beside its text')]);
});

it.each([
  ['as_it_came', true],
  ['plain', false],
])('what a client sends back of a turn with calls goes to the upstream with %s', async (resend, sent) => {
  const upstream = await server(inTurn({ text: 'warm' }), ['big']);
  const gateway = await start([{ url: upstream.url, models: ['big'], resend }]);
  const made = { id: 'w', type: 'function', function: { name: 'weather', arguments: '{}' }, extra_content: SIGNED };
  const turn = { role: 'assistant', content: null, reasoning_content: 'hm', tool_calls: [made] };
  const answer = await gateway.post({
    ...ASK,
    messages: [...ASK.messages, turn, { role: 'tool', tool_call_id: 'w', content: '21' }],
  });
  expect(answer.status).toBe(200);
  const text = JSON.stringify(upstream.requests[0]?.body.messages[1]);
  expect(text.includes('SIG')).toBe(sent);
  expect(text.includes('"reasoning_content":"hm"')).toBe(sent);
});

it('a refusal is one for chat clients, and its words are there for all others', async () => {
  const { gateway } = await both(inTurn({ deltas: [{ content: null, refusal: 'No.' }], finish: 'stop' }));
  expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message).toMatchObject({
    content: null,
    refusal: 'No.',
  });
  expect(await (await gateway.post({ ...ASK, stream: true })).text()).toContain('"delta":{"refusal":"No."}');
  expect((await gateway.client.responses.create({ model: 'big', input: 'q' })).output).toMatchObject([
    { type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] },
  ]);
});

it.each([
  ['length', 'max_tokens'],
  ['content_filter', 'SAFETY'],
])('a step ends with %s where the upstream says %s, and runs no call', async (finish, word) => {
  const { gateway, upstream } = await both(inTurn({ calls: [sum], finish: word }, { text: 'never' }));
  const answer = await gateway.client.chat.completions.create(ASK);
  expect(answer.choices[0]?.finish_reason).toBe(finish);
  expect(upstream.requests).toHaveLength(1);
});

it('a word nobody knows is an error that says it, and no call is run', async () => {
  const { gateway, upstream } = await both(inTurn({ calls: [sum], finish: 'gone_fishing' }));
  expect(await refused(gateway)).toMatchObject({
    status: 502,
    code: 'engine_garbage',
    message: expect.stringContaining('gone_fishing') as string,
  });
  expect(upstream.requests).toHaveLength(1);
});

it.each<[string, Reply]>([
  ['streamed', { text: Array(100).fill('x'.repeat(1_000)), delayMs: 1 }],
  ['of small deltas', { text: Array(2_000).fill('x') }],
  ['of reasoning', { reasoning: Array(100).fill('x'.repeat(1_000)) }],
  ['of arguments', { calls: [{ name: 'calculator', arguments: 'x'.repeat(60_000) }] }],
  [
    'in one piece',
    {
      headers: { 'content-type': 'application/json' },
      status: 200,
      body: JSON.stringify({
        choices: [{ index: 0, message: { content: 'x'.repeat(60_000) }, finish_reason: 'stop' }],
      }),
    },
  ],
])('an answer %s beyond the bound is a 502, and the upstream is told to stop', async (_name, reply) => {
  const { gateway } = await both(inTurn(reply), { config: { 'limits.answer_bytes': 50_000 } });
  expect(await refused(gateway)).toMatchObject({
    status: 502,
    code: 'engine_garbage',
    message: expect.stringContaining('larger than 50000 bytes') as string,
  });
});

it('the bound is for all steps of an answer together', async () => {
  const step: Reply = { text: 'x'.repeat(15_000), calls: [sum] };
  const { gateway, upstream } = await both(inTurn(step, step, step, { text: 'five' }), {
    config: { 'limits.answer_bytes': 20_000 },
  });
  expect(await refused(gateway)).toMatchObject({
    status: 502,
    code: 'engine_garbage',
    message: expect.stringContaining('larger than 20000 bytes') as string,
  });
  expect(upstream.requests).toHaveLength(2);
});

it('a call whose arguments are no JSON is answered to the policy, and its step is not trainable', async () => {
  const { gateway } = await both(inTurn({}), {
    script: inTurn({ calls: [{ name: 'calculator', arguments: '{"expression": "2+' }] }, { text: 'sorry' }),
  });
  await gateway.client.chat.completions.create({ ...ASK, model: 'gyre', temperature: 1 });
  const [step, next] = gateway.logged[0]?.steps ?? [];
  expect(step).toMatchObject({
    notTrainable: 'malformed_call',
    calls: [{ observation: { error: 'bad_arguments' } }],
  });
  expect(next?.notTrainable).toBeUndefined();
});

it('integers beyond 2^53 survive in schemas, arguments and what is sent again', async () => {
  const seen: unknown[] = [];
  const { gateway, upstream } = await both(
    inTurn({ calls: [{ name: 'lookup', arguments: '{"id":12345678901234567890}' }] }, { text: 'found' }),
    {
      tools: [
        tool('lookup', ({ id }) => {
          seen.push(id);
          return String(id);
        }),
      ],
      config: { 'tools.default': ['lookup'] },
    },
  );
  const raw: string[] = [];
  const send = async (path: string, body: string): Promise<string> =>
    (
      await fetch(`${gateway.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    ).text();
  const schema = '{"type":"object","properties":{"id":{"type":"integer","maximum":18446744073709551615}}}';
  upstream.seenText = (text) => raw.push(text);
  await send(
    '/v1/chat/completions',
    `{"model":"big","messages":[{"role":"user","content":"q"}],"tools":[{"type":"gyre:lookup"},` +
      `{"type":"function","function":{"name":"mine","parameters":${schema}}}]}`,
  );
  expect(seen).toEqual([12345678901234567890n]);
  expect(raw).toHaveLength(2);
  for (const text of raw) expect(text).toContain('"maximum":18446744073709551615');
  expect(raw[1]).toContain('{\\"id\\":12345678901234567890}');
  expect(upstream.requests[1]?.body.messages.at(-1)).toMatchObject({ content: '12345678901234567890' });

  const answer = await send(
    '/v1/responses',
    `{"model":"big","input":"q","tools":[{"type":"function","name":"mine","parameters":${schema}}]}`,
  );
  expect(answer).toContain('"maximum":18446744073709551615');
  await send(
    '/v1/messages',
    '{"model":"big","max_tokens":9,"tools":[{"name":"mine","input_schema":{"type":"object"}}],"messages":[' +
      '{"role":"user","content":"q"},{"role":"assistant","content":[' +
      '{"type":"tool_use","id":"t","name":"mine","input":{"id":12345678901234567890}}]},' +
      '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]}',
  );
  expect(raw.at(-1)).toContain('{\\"id\\": 12345678901234567890}');
});
