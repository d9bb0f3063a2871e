/** The main path with the official client: plain, streamed, with server tools, with the client's own, mixed. */
import type OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, tokenId } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

let gateway: Gateway;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

const ASK = {
  model: 'gyre',
  messages: [{ role: 'user', content: 'What is 2+3?' }],
} satisfies OpenAI.ChatCompletionCreateParams;
const ADD = { name: 'calculator', arguments: '{"expression":"2+3"}' };
const WEATHER = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
} satisfies OpenAI.ChatCompletionTool;

async function chunksOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<OpenAI.ChatCompletionChunk[]> {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

describe('a plain request', () => {
  it('is answered whole, with usage and the headers of its trajectory', async () => {
    const { client, logged } = await start({ script: inTurn({ text: 'It is five.', usage: { cached: 3 } }) });
    const { data, response } = await client.chat.completions.create(ASK).withResponse();
    expect(data.choices[0]?.message.content).toBe('It is five.');
    expect(data.choices[0]?.finish_reason).toBe('stop');
    expect(data.id).toMatch(/^chatcmpl-/);
    expect(data.model).toBe('gyre');
    expect(data.usage?.completion_tokens).toBe(4);
    expect(data.usage?.prompt_tokens_details?.cached_tokens).toBe(3);
    expect(response.headers.get('x-gyre-trajectory')).toBe(logged[0]?.trajectoryId);
    expect(response.headers.get('x-gyre-policy-version')).toBe('0');
    expect(response.headers.get('x-request-id')).toMatch(/^req-/);
  });

  it('is streamed with one id, one role, one finish reason and one [DONE]', async () => {
    const { client, post } = await start({ script: inTurn({ text: 'It is five.' }) });
    const chunks = await chunksOf(await client.chat.completions.create({ ...ASK, stream: true }));
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(chunks.filter((chunk) => chunk.choices[0]?.delta.role !== undefined)).toHaveLength(1);
    expect(chunks.filter((chunk) => chunk.choices[0]?.finish_reason !== null)).toHaveLength(1);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('It is five.');
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    const raw = await (await post({ ...ASK, stream: true })).text();
    expect(raw.match(/data: \[DONE\]\n\n/g)).toHaveLength(1);
    expect(raw.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(raw).not.toMatch(/^(id|retry|event):/m);
  });

  it('logs exactly what was sampled before the answer is whole', async () => {
    const { client, logged, store } = await start({ script: inTurn({ text: ['It', ' is', ' five.'] }) });
    const { id } = await client.chat.completions.create({ ...ASK, temperature: 0.5 });
    const step = logged[0]?.steps[0];
    expect(step?.action?.tokenIds).toEqual(['It', ' is', ' five.', '<|im_end|>'].map(tokenId));
    expect(step?.action?.logprobs).toEqual([-0.25, -0.25, -0.25, -0.25]);
    expect(step?.action?.promptTokenIds?.length).toBeGreaterThan(0);
    expect(step?.sampling).toEqual({ temperature: 0.5 });
    expect(step?.notTrainable).toBeUndefined();
    expect(store.sqlite.prepare('SELECT outcome, stop_reason FROM responses WHERE id = ?').get(id)).toEqual({
      outcome: 'completed',
      stop_reason: 'stop',
    });
  });

  it('shows usage on a chunk without choices only when asked, and null before', async () => {
    const { client } = await start({ script: inTurn({ text: 'five' }) });
    const chunks = await chunksOf(
      await client.chat.completions.create({ ...ASK, stream: true, stream_options: { include_usage: true } }),
    );
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(chunks.at(-1)?.choices).toEqual([]);
    expect(chunks.at(-1)?.usage).toMatchObject({
      completion_tokens: 2,
      server_tool_use: { requested: 0, executed: 0, by_tool: {} },
    });
  });

  it('shows logprobs and token ids only to a client that asked', async () => {
    const { client, post } = await start({ script: inTurn({ text: ['a', 'b'] }) });
    const plain = await client.chat.completions.create(ASK);
    expect(plain.choices[0]?.logprobs).toBeNull();
    expect(JSON.stringify(plain)).not.toContain('token_ids');
    const asked = (await (
      await post({ ...ASK, logprobs: true, top_logprobs: 2, return_token_ids: true })
    ).json()) as Record<string, never>;
    expect(asked).toMatchObject({
      choices: [
        {
          token_ids: ['a', 'b', '<|im_end|>'].map(tokenId),
          logprobs: { content: [{ token: 'a', top_logprobs: [{}, {}] }, { token: 'b' }, {}] },
        },
      ],
    });
    expect(asked['prompt_token_ids']).toEqual(gateway.engine.requests[1] === undefined ? [] : expect.any(Array));
    const chunks = await chunksOf(await client.chat.completions.create({ ...ASK, stream: true, logprobs: true }));
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []).map((entry) => entry.token)).toEqual([
      'a',
      'b',
      '<|im_end|>',
    ]);
  });

  it('streams several choices, each with its own role and finish', async () => {
    const { client, logged } = await start({ script: inTurn({ text: 'five' }) });
    const whole = await client.chat.completions.create({ ...ASK, n: 2 });
    expect(whole.choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason])).toEqual([
      [0, 'five', 'stop'],
      [1, 'five', 'stop'],
    ]);
    expect(whole.usage?.completion_tokens).toBe(4);
    const chunks = await chunksOf(await client.chat.completions.create({ ...ASK, n: 2, stream: true }));
    for (const index of [0, 1]) {
      const mine = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
      expect(mine.filter((choice) => choice.delta.role !== undefined)).toHaveLength(1);
      expect(mine.filter((choice) => choice.finish_reason !== null)).toHaveLength(1);
    }
    expect(logged[0]?.steps).toHaveLength(2);
    expect(gateway.engine.requests[0]?.body.tools).toBeUndefined();
  });

  it.each([
    [{}, { reasoning: 'hmm so' }],
    [{ 'chat.reasoning': 'reasoning_content' }, { reasoning_content: 'hmm so' }],
    [{ 'chat.reasoning': 'both' }, { reasoning: 'hmm so', reasoning_content: 'hmm so' }],
  ])('says with %j what was reasoned once, or as often as the operator wants it', async (config, told) => {
    const { client } = await start({ script: inTurn({ reasoning: ['hmm', ' so'], text: 'five' }), config });
    const { choices } = await client.chat.completions.create(ASK);
    expect(choices[0]?.message).toEqual({ role: 'assistant', refusal: null, content: 'five', ...told });
    const chunks = await chunksOf(await client.chat.completions.create({ ...ASK, stream: true }));
    const deltas = chunks.map((chunk) => chunk.choices[0]?.delta as Record<string, unknown> | undefined);
    for (const name of ['reasoning', 'reasoning_content'])
      expect(deltas.map((delta) => (delta?.[name] as string | undefined) ?? '').join('')).toBe(
        name in told ? 'hmm so' : '',
      );
  });
});

describe('a server tool', () => {
  const script = inTurn(
    { text: ['Let me see. '], calls: [ADD], usage: { prompt: 10, completion: 5, cached: 2 } },
    { text: 'It is 5.', usage: { prompt: 20, completion: 4, cached: 8, reasoning: 1 } },
  );

  it('is run by the gateway and leaves no trace in the answer but its use', async () => {
    const { client, engine, logged } = await start({ script });
    const answer = await client.chat.completions.create({ ...ASK, tools: [{ type: 'gyre:calculator' } as never] });
    expect(answer.choices[0]?.message.content).toBe('Let me see. It is 5.');
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined();
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(answer.usage).toMatchObject({
      prompt_tokens: 30,
      completion_tokens: 9,
      total_tokens: 39,
      prompt_tokens_details: { cached_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 1 },
      server_tool_use: { requested: 1, executed: 1, by_tool: { calculator: 1 } },
    });
    expect(engine.requests[1]?.body.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: 'Let me see. ',
        tool_calls: [{ id: 'chatcmpl-tool-0', type: 'function', function: ADD }],
      },
      { role: 'tool', tool_call_id: 'chatcmpl-tool-0', content: '5' },
    ]);
    expect(
      logged[0]?.steps.map((step) => step.calls.map((call) => [call.name, call.owner, call.observation?.content])),
    ).toEqual([[['calculator', 'server', '5']], []]);
  });

  it('is hidden in a stream, whose progress is comments that clients skip', async () => {
    const { client, post } = await start({ script });
    const final = await client.chat.completions
      .stream({ ...ASK, stream_options: { include_usage: true } })
      .finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe('Let me see. It is 5.');
    expect(final.choices[0]?.message.tool_calls).toBeUndefined();
    expect(final.choices[0]?.finish_reason).toBe('stop');
    gateway.engine.script = script;
    gateway.engine.requests.length = 0;
    const raw = await (await post({ ...ASK, stream: true, logprobs: true, return_token_ids: true })).text();
    expect(raw).toContain(': gyre.tool.started calculator');
    expect(raw).not.toContain('expression');
    expect(raw).not.toContain('<tool_call>');
    expect(raw).not.toContain('tool_calls');
    expect(raw.match(/"role"/g)).toHaveLength(1);
    expect(raw.match(/"finish_reason":"/g)).toHaveLength(1);
  });

  it('tells of tools by named events only on request', async () => {
    const { post } = await start({ script });
    const raw = await (await post({ ...ASK, stream: true, stream_options: { include_tool_events: true } })).text();
    expect(raw).toMatch(/event: gyre\.tool\.started\ndata: \{"id":"chatcmpl-tool-0","name":"calculator"/);
    expect(raw).toContain('event: gyre.tool.finished');
  });

  it('is forced for the first step only', async () => {
    const { client, engine, logged } = await start({ script });
    await client.chat.completions.create({
      ...ASK,
      tools: [{ type: 'gyre:calculator' } as never],
      tool_choice: { type: 'gyre:calculator' } as never,
    });
    expect(engine.requests.map((request) => request.body.tool_choice)).toEqual([
      { type: 'function', function: { name: 'calculator' } },
      'auto',
    ]);
    expect(logged[0]?.steps.map((step) => step.notTrainable)).toEqual(['constrained', undefined]);
  });

  it('is off with tool_choice none, and a call made anyway is dropped', async () => {
    const { client, engine } = await start({ script: inTurn({ text: 'no', calls: [ADD], finish: 'tool_calls' }) });
    const answer = await client.chat.completions.create({ ...ASK, tools: [WEATHER], tool_choice: 'none' });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'no' } });
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined();
    expect(engine.requests).toHaveLength(1);
    expect(engine.requests[0]?.body).toMatchObject({ tool_choice: 'none', tools: [{ function: { name: 'weather' } }] });
  });

  it('never sends an empty tool list', async () => {
    const { client, engine } = await start({ script: inTurn({}), config: { 'tools.default': [] } });
    await client.chat.completions.create({ ...ASK, tools: [] });
    expect(engine.requests[0]?.body).not.toHaveProperty('tools');
    expect(engine.requests[0]?.body).not.toHaveProperty('tool_choice');
  });
});

describe("the client's own tools", () => {
  const call = { id: 'call_w', name: 'weather', arguments: '{"city":"Rome"}' };

  it('come back to the client, whole and streamed', async () => {
    const { client } = await start({ script: inTurn({ calls: [call] }) });
    const whole = await client.chat.completions.create({ ...ASK, tools: [WEATHER] });
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: null,
        tool_calls: [{ id: 'call_w', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
      },
    });
    const final = await client.chat.completions.stream({ ...ASK, tools: [WEATHER] }).finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls?.[0]).toMatchObject({
      id: 'call_w',
      function: { arguments: '{"city":"Rome"}' },
    });
    expect(final.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('come back alone from a mixed turn, renumbered, and ours is run and spliced back', async () => {
    const { client, engine, logged } = await start({
      script: inTurn(
        {
          calls: [
            { id: 'call_c', ...ADD },
            call,
            { id: 'call_c2', name: 'calculator', arguments: '{"expression":"1+1"}' },
            { id: 'call_w2', name: 'weather', arguments: '{"city":"Oslo"}' },
          ],
        },
        { text: 'Sunny and 5.' },
      ),
    });
    const chunks = await chunksOf(
      await client.chat.completions.create({
        ...ASK,
        tools: [WEATHER, { type: 'gyre:calculator' } as never],
        stream: true,
      }),
    );
    const deltas = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    expect(
      deltas.filter((delta) => delta.function?.name !== undefined).map((delta) => [delta.index, delta.id]),
    ).toEqual([
      [0, 'call_w'],
      [1, 'call_w2'],
    ]);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls');
    expect(logged[0]?.steps[0]?.calls.map((each) => [each.id, each.owner, each.observation?.content])).toEqual([
      ['call_c', 'server', '5'],
      ['call_w', 'client', undefined],
      ['call_c2', 'server', '2'],
      ['call_w2', 'client', undefined],
    ]);

    const answer = await client.chat.completions.create({
      ...ASK,
      tools: [WEATHER],
      messages: [
        ...ASK.messages,
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'call_w', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
            { id: 'call_w2', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_w', content: 'sun' },
        { role: 'tool', tool_call_id: 'call_w2', content: 'snow' },
      ],
    });
    expect(answer.choices[0]?.message.content).toBe('Sunny and 5.');
    expect(
      engine.requests[1]?.body.messages
        .filter((message) => message.role === 'tool')
        .map((message) => message.tool_call_id)
        .sort(),
    ).toEqual(['call_c', 'call_c2', 'call_w', 'call_w2']);
    expect(logged[1]?.trajectoryId).toBe(logged[0]?.trajectoryId);
  });

  it('replace a default tool of the same name', async () => {
    const { client, engine } = await start({ script: inTurn({ calls: [ADD] }) });
    const answer = await client.chat.completions.create({
      ...ASK,
      tools: [{ type: 'function', function: { name: 'calculator', parameters: {} } }],
    });
    expect(answer.choices[0]?.finish_reason).toBe('tool_calls');
    expect(engine.requests).toHaveLength(1);
  });

  it('are one at a time with parallel_tool_calls false, whatever the engine does', async () => {
    const { client } = await start({ script: inTurn({ calls: [call, { ...call, id: 'second' }] }) });
    const whole = await client.chat.completions.create({ ...ASK, tools: [WEATHER], parallel_tool_calls: false });
    expect(whole.choices[0]?.message.tool_calls?.map((each) => each.id)).toEqual(['call_w']);
    const final = await client.chat.completions
      .stream({ ...ASK, tools: [WEATHER], parallel_tool_calls: false })
      .finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  it('end with tool_calls when a named choice makes the engine say stop', async () => {
    const { client } = await start({ script: inTurn({ calls: [call], finish: 'stop' }) });
    const answer = await client.chat.completions.create({
      ...ASK,
      tools: [WEATHER],
      tool_choice: { type: 'function', function: { name: 'weather' } },
    });
    expect(answer.choices[0]?.finish_reason).toBe('tool_calls');
  });
});

describe('an action cut by its token limit', () => {
  it('runs no tool, although the engine says tool_calls', async () => {
    const { client, logged, engine } = await start({ script: inTurn({ text: 'Let ', calls: [ADD] }) });
    const answer = await client.chat.completions.create({ ...ASK, max_tokens: 100, max_completion_tokens: 6 });
    expect(engine.requests).toHaveLength(1);
    expect(engine.requests[0]?.body.max_tokens).toBe(6);
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Let ' } });
    expect(answer.usage).toMatchObject({ server_tool_use: { executed: 0 } });
    expect(logged[0]?.steps[0]).toMatchObject({ notTrainable: 'cut', calls: [{ owner: 'server' }] });
    expect(logged[0]?.ending).toMatchObject({ outcome: 'incomplete', stopReason: 'max_tokens' });
  });

  it('is an honest stop when text ends exactly at the limit', async () => {
    const { client } = await start({ script: inTurn({ text: ['five'] }) });
    expect((await client.chat.completions.create({ ...ASK, max_tokens: 2 })).choices[0]?.finish_reason).toBe('stop');
  });
});

describe('the history', () => {
  it('goes to the engine with malformed arguments repaired and developer as system', async () => {
    const { client, engine, logged } = await start({ script: inTurn({}) });
    await client.chat.completions.create({
      model: 'gyre',
      messages: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'hi' }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city": "Ro' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'bad' },
      ],
    });
    const sent = engine.requests[0]?.body.messages;
    expect(sent?.[0]?.role).toBe('system');
    expect(JSON.parse(sent?.[2]?.tool_calls?.[0]?.function.arguments ?? '')).toEqual({
      malformed_arguments: '{"city": "Ro',
    });
    expect(logged[0]?.opening.messages[2]).toMatchObject({ tool_calls: [{ function: { arguments: '{"city": "Ro' } }] });
  });
});
