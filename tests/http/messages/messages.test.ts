/**
 * The Messages API through the official client: blocks and events as it reads them, over the same loop and the same
 * log.
 */
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { afterEach, describe, expect, it } from 'vitest';

import { addFeedback } from '../../../src/store/read/feedback.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { verify } from '../../../src/store/proof/verify.js';
import { inTurn, type EngineRequest, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

type Params = Anthropic.MessageCreateParamsNonStreaming;
type Event = Anthropic.RawMessageStreamEvent;

let gateway: Gateway;
afterEach(async () => gateway.close());
const startBy = async (options: GatewayOptions): Promise<Anthropic> => {
  gateway = await startGateway(options);
  return new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
};
const start = (...replies: Reply[]): Promise<Anthropic> => startBy({ script: inTurn(...replies) });

const ASK: Params = { model: 'gyre', max_tokens: 100, messages: [{ role: 'user', content: 'How many?' }] };
const WEATHER: Anthropic.Tool = {
  name: 'weather',
  description: 'The weather of a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};
const sum: Reply = {
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression": "1+1"}' }],
};
/** Spacing, order and numbers as no client would write them again. */
const ODD = '{ "city":"Rome",\n  "days" : 1.50e1 ,"after": {"z": null, "a": [ ] } }';
const chunk = (delta: unknown): string =>
  `data: ${JSON.stringify({ id: 'e', choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;

async function events(stream: AsyncIterable<Event>): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

/** The same question whole and streamed, each of a fresh gateway: what both clients hold, but for the id. */
async function bothWays(options: GatewayOptions, params: Params): Promise<Record<string, unknown>[]> {
  const answers: Anthropic.Message[] = [];
  for (const stream of [false, true]) {
    if (stream) await gateway.close();
    const client = await startBy(options);
    answers.push(stream ? await client.messages.stream(params).finalMessage() : await client.messages.create(params));
  }
  return answers.map((answer) => {
    const { id, content, container, role, stop_reason, stop_sequence, stop_details, usage, type, model } = answer;
    expect(id).toMatch(/^msg-/);
    return { content, container, role, stop_reason, stop_sequence, stop_details, usage, type, model };
  });
}

describe('a plain answer', () => {
  it('is one block of text, with usage as this protocol counts it', async () => {
    const client = await start({
      text: ['Four', ' days.'],
      usage: { prompt: 20, completion: 3, cached: 8, reasoning: 1 },
    });
    const answer = await client.messages.create({
      ...ASK,
      system: [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Be kind.' },
      ],
      stop_sequences: ['END'],
      temperature: 0.5,
      top_k: 4,
      top_p: 0.9,
    } as Params);
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'gyre',
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      container: null,
    });
    expect(answer.content).toEqual([{ type: 'text', text: 'Four days.', citations: null }]);
    expect(answer.usage).toMatchObject({
      input_tokens: 12,
      cache_read_input_tokens: 8,
      cache_creation_input_tokens: 0,
      output_tokens: 3,
      output_tokens_details: { thinking_tokens: 1 },
      server_tool_use: null,
    });
    const [asked] = gateway.engine.requests;
    expect(asked?.body.messages).toEqual([
      { role: 'system', content: 'Be brief.\nBe kind.' },
      { role: 'user', content: 'How many?' },
    ]);
    expect(asked?.body).toMatchObject({ max_tokens: 100, stop: ['END'], temperature: 0.5, top_k: 4, top_p: 0.9 });
    expect(gateway.logged[0]).toMatchObject({
      opening: { responseId: answer.id, requestId: answer._request_id },
      ending: { outcome: 'completed' },
    });
  });

  it('streams the events of the protocol in their order', async () => {
    const client = await start({ text: ['Four', ' days.'], reasoning: ['hm'] });
    const { data, response } = await client.messages.create({ ...ASK, stream: true }).withResponse();
    const seen = await events(data);
    expect(seen.map((event) => event.type).filter((type) => type !== 'content_block_delta')).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(
      seen
        .flatMap((event) =>
          event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? [event.delta.text] : [],
        )
        .join(''),
    ).toBe('Four days.');
    const prompt = gateway.logged[0]?.steps[0]?.action?.promptTokenIds?.length;
    expect(seen[0]).toMatchObject({
      message: { content: [], stop_reason: null, usage: { input_tokens: prompt, output_tokens: 0 } },
    });
    expect(response.headers.get('request-id')).toBe(gateway.logged[0]?.opening.requestId);
    expect(response.headers.get('x-gyre-trajectory')).toBe(gateway.logged[0]?.trajectoryId);
  });

  it.each<[string, Reply, Params, Record<string, unknown>]>([
    [
      'ends by itself',
      { text: 'Four.' },
      ASK,
      { stop_reason: 'end_turn', content: [{ type: 'text', text: 'Four.', citations: null }] },
    ],
    ['is empty', { text: [] }, ASK, { stop_reason: 'end_turn', content: [] }],
    ['is cut by its limit', { text: 'one two', finish: 'length' }, ASK, { stop_reason: 'max_tokens' }],
    [
      'meets a stop sequence',
      { text: 'one', stopReason: 'END' },
      { ...ASK, stop_sequences: ['no', 'END'] },
      { stop_reason: 'stop_sequence', stop_sequence: 'END' },
    ],
    [
      'stops for what nobody named',
      { text: 'one', stopReason: 'END' },
      ASK,
      { stop_reason: 'end_turn', stop_sequence: null },
    ],
    [
      'was filtered',
      { text: 'one', finish: 'content_filter' },
      ASK,
      { stop_reason: 'refusal', stop_details: { type: 'refusal', category: null, explanation: null } },
    ],
    [
      'calls two tools',
      {
        text: 'See. ',
        calls: [
          { id: 'a', name: 'weather', arguments: ODD },
          { id: 'b', name: 'weather', arguments: '' },
        ],
      },
      { ...ASK, tools: [WEATHER] },
      {
        stop_reason: 'tool_use',
        content: [
          { type: 'text', text: 'See. ' },
          {
            type: 'tool_use',
            id: 'a',
            name: 'weather',
            input: { city: 'Rome', days: 15, after: { z: null, a: [] } },
            caller: { type: 'direct' },
          },
          { type: 'tool_use', id: 'b', input: {} },
        ],
      },
    ],
    [
      'calls a tool with half an object',
      { calls: [{ id: 'a', name: 'weather', arguments: '{"city": Rome' }] },
      { ...ASK, tools: [WEATHER] },
      { stop_reason: 'tool_use', content: [{ type: 'tool_use', input: { malformed_arguments: '{"city": Rome' } }] },
    ],
    [
      'is cut within a call',
      { calls: [{ id: 'a', name: 'weather', arguments: '{"city": "Ro' }], finish: 'length' },
      { ...ASK, tools: [WEATHER] },
      { stop_reason: 'max_tokens', content: [{ type: 'tool_use', input: { malformed_arguments: '{"city": "Ro' } }] },
    ],
  ])('that %s is the same whole and as the client makes it of the stream', async (_name, reply, params, expected) => {
    const [whole, streamed] = await bothWays({ script: inTurn(reply) }, params);
    expect(whole).toMatchObject(expected);
    expect(streamed).toMatchObject({
      ...whole,
      usage: (({ input_tokens, output_tokens, cache_read_input_tokens }) => ({
        input_tokens,
        output_tokens,
        cache_read_input_tokens,
      }))(whole?.['usage'] as Anthropic.Usage),
    });
  });

  it('keeps numbers of an input as the policy wrote them', async () => {
    await start({ calls: [{ id: 'a', name: 'weather', arguments: '{"id": 12345678901234567890, "x": 1.0}' }] });
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      body: JSON.stringify({ ...ASK, tools: [WEATHER] }),
    });
    expect(await response.text()).toContain('"input":{"id": 12345678901234567890, "x": 1.0}');
  });

  it('is kept open by comments, which the client does not see', async () => {
    const client = await startBy({
      script: inTurn({ headDelayMs: 60, text: ['a', 'b'], delayMs: 20 }),
      deps: { pace: { keepaliveMs: 10 } },
    });
    expect((await client.messages.stream(ASK).finalMessage()).content).toMatchObject([{ text: 'ab' }]);
    expect(
      await (
        await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: JSON.stringify({ ...ASK, stream: true }) })
      ).text(),
    ).toContain(': ping\n\n');
  });
});

describe("the gateway's own tools", () => {
  it('are run and not shown; the text of all steps is one block', async () => {
    const [whole, streamed] = await bothWays(
      { script: inTurn(sum, { text: 'It is 2.' }) },
      { ...ASK, tools: [{ type: 'gyre:calculator' }] as unknown as Anthropic.Tool[] },
    );
    expect(whole).toMatchObject({ stop_reason: 'end_turn', content: [{ type: 'text', text: 'Let me see. It is 2.' }] });
    expect(whole?.['usage']).toMatchObject({
      server_tool_use: {
        web_search_requests: 0,
        web_fetch_requests: 0,
        requested: 1,
        executed: 1,
        by_tool: { calculator: 1 },
      },
    });
    expect(streamed).toMatchObject({
      content: whole?.['content'],
      stop_reason: 'end_turn',
      usage: { server_tool_use: { requested: 1 } },
    });
    expect(gateway.engine.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: '2' });
  });

  it.each([false, true])('end at a limit with its name beside max_tokens (stream: %s)', async (stream) => {
    const insatiable = (request: EngineRequest, number: number): Reply =>
      String(request.body.messages.at(-1)?.content).startsWith('No more tool calls')
        ? { text: 'Enough.' }
        : { calls: [{ id: `c${number}`, name: 'calculator', arguments: `{"expression":"${number}+1"}` }] };
    const client = await startBy({ script: insatiable, config: { 'limits.steps': 2 } });
    const told = stream
      ? (await events(await client.messages.create({ ...ASK, stream: true }))).find(
          (event) => event.type === 'message_delta',
        )
      : await client.messages.create(ASK);
    expect(told).toMatchObject({
      gyre: { stop_reason: 'max_steps' },
      ...(stream
        ? { delta: { stop_reason: 'max_tokens' } }
        : { stop_reason: 'max_tokens', content: [{ text: 'Enough.' }] }),
    });
    expect(gateway.logged[0]?.ending).toMatchObject({ outcome: 'incomplete', stopReason: 'max_steps' });
  });
});

describe("the client's own tools", () => {
  const weather = betaTool({
    name: 'weather',
    description: 'w',
    inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    run: ({ city }) => (city === 'Rome' ? 'sun' : Promise.reject(new Error('no such city'))),
  });

  it.each([false, true])(
    "go through the client's own runner, and the conversation is one (stream: %s)",
    async (stream) => {
      const client = await start(
        {
          text: 'See. ',
          calls: [
            { id: 'c1', name: 'weather', arguments: '{"city" : "Rome"}' },
            { id: 'c2', name: 'weather', arguments: '{"city":"Oz"}' },
          ],
        },
        { text: 'Sunny.' },
      );
      const last = await client.beta.messages
        .toolRunner({ ...ASK, messages: [{ role: 'user', content: 'Weather?' }], tools: [weather], stream })
        .runUntilDone();
      expect(last.content).toMatchObject([{ type: 'text', text: 'Sunny.' }]);
      expect(gateway.engine.requests[1]?.body.messages.slice(1)).toEqual([
        {
          role: 'assistant',
          content: 'See. ',
          tool_calls: [
            { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city" : "Rome"}' } },
            { id: 'c2', type: 'function', function: { name: 'weather', arguments: '{"city":"Oz"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'sun' },
        { role: 'tool', tool_call_id: 'c2', content: 'Error: no such city' },
      ]);
      expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    },
  );

  it('are told one after another, however the engine mixes them', async () => {
    const call = (index: number, more: unknown): unknown => ({ tool_calls: [{ index, ...(more as object) }] });
    const client = await start({
      deltas: [
        chunk({ content: 'See. ' }),
        chunk(call(0, { id: 'a', function: { name: 'weather', arguments: '{"city":' } })),
        chunk(call(1, { id: 'b', function: { name: 'weather', arguments: '{"ci' } })),
        chunk(call(0, { function: { arguments: '"Rome"}' } })),
        chunk({ content: 'Soon.' }),
        chunk(call(1, { function: { arguments: 'ty":"Oslo"}' } })),
      ],
      finish: 'tool_calls',
    });
    for (const eager_input_streaming of [false, true]) {
      const params: Params = { ...ASK, tools: [{ ...WEATHER, eager_input_streaming }] };
      const seen = await events(await client.messages.create({ ...params, stream: true }));
      const blocks = seen.flatMap((event) =>
        event.type === 'content_block_start' ||
        event.type === 'content_block_delta' ||
        event.type === 'content_block_stop'
          ? [[event.type.slice(14), event.index]]
          : [],
      );
      expect(blocks.map(([, index]) => index)).toEqual([...blocks.map(([, index]) => index)].sort());
      for (const index of [0, 1, 2, 3])
        expect(blocks.filter(([type, at]) => type !== 'delta' && at === index)).toEqual([
          ['start', index],
          ['stop', index],
        ]);
      const pieces = seen.flatMap((event) =>
        event.type === 'content_block_delta' && event.index === 1 && event.delta.type === 'input_json_delta'
          ? [event.delta.partial_json]
          : [],
      );
      expect(pieces).toEqual(eager_input_streaming ? ['{"city":', '"Rome"}'] : ['{"city":"Rome"}']);
      expect((await client.messages.stream(params).finalMessage()).content).toMatchObject([
        { text: 'See. ' },
        { id: 'a', input: { city: 'Rome' } },
        { id: 'b', input: { city: 'Oslo' } },
        { text: 'Soon.' },
      ]);
    }
  });
});

describe('a conversation that goes on', () => {
  const mixed: Reply = {
    text: 'Let me see. ',
    calls: [
      { id: 'c1', name: 'calculator', arguments: '{ "expression":"1+1" }' },
      { id: 'c2', name: 'weather', arguments: ODD },
    ],
  };
  const params: Params = { ...ASK, tools: [WEATHER, { type: 'gyre:calculator' } as unknown as Anthropic.Tool] };

  it.each<[string, boolean, (input: unknown) => unknown]>([
    ['as the client got it', false, (input) => input],
    ['as the client put it together from a stream', true, (input) => input],
    ['with its keys in another order', false, (input) => ({ after: { a: [], z: null }, ...(input as object) })],
  ])('has the hidden turns put back when a mixed turn is sent again %s', async (_name, stream, again) => {
    const client = await start(mixed, { text: 'Sunny, 2.' }, { text: 'Yes.' });
    const first = stream ? await client.messages.stream(params).finalMessage() : await client.messages.create(params);
    expect(first.content.map((block) => block.type)).toEqual(['text', 'tool_use']);
    const content = first.content.map((block) =>
      block.type === 'tool_use' ? { ...block, input: again(block.input) } : block,
    ) as Anthropic.ContentBlockParam[];
    const messages: Anthropic.MessageParam[] = [
      ...params.messages,
      { role: 'assistant', content },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'c2', content: [{ type: 'text', text: 'sun' }] },
          { type: 'text', text: 'Well?' },
        ],
      },
    ];
    const second = await client.messages.create({ ...params, messages });
    await client.messages.create({
      ...params,
      messages: [
        ...messages,
        { role: 'assistant', content: second.content as Anthropic.ContentBlockParam[] },
        { role: 'user', content: 'Sure?' },
      ],
    });
    const [, , third] = gateway.engine.requests;
    expect(third?.body.messages).toEqual([
      { role: 'user', content: 'How many?' },
      {
        role: 'assistant',
        content: 'Let me see. ',
        tool_calls: mixed.calls?.map(({ id, name, arguments: args }) => ({
          id,
          type: 'function',
          function: { name, arguments: args },
        })),
      },
      { role: 'tool', tool_call_id: 'c1', content: '2' },
      { role: 'tool', tool_call_id: 'c2', content: 'sun' },
      { role: 'user', content: 'Well?' },
      { role: 'assistant', content: 'Sunny, 2.' },
      { role: 'user', content: 'Sure?' },
    ]);
    expect(new Set(gateway.logged.map((entry) => entry.trajectoryId)).size).toBe(1);
    expect(verify(gateway.store.db).problems).toEqual([]);
  });

  it('can be rated and read back by the ids of its answers', async () => {
    const client = await start({ text: 'ok' });
    const { id } = await client.messages.create(ASK);
    expect(addFeedback(gateway.store.db, { responseId: id, keyId: '', within: '', value: 1 })).toMatchObject({
      response_id: id,
      value: 1,
    });
    expect(readTrajectory(gateway.store.db, gateway.logged[0]?.trajectoryId ?? '')).toMatchObject({
      response_id: id,
      outcome: 'completed',
      feedback: [{ response_id: id }],
    });
  });

  it.each<[string, Reply]>([
    ['an input that was no object', { calls: [{ id: 'c2', name: 'weather', arguments: 'Rome, please' }] }],
    ['an input that was cut', { calls: [{ id: 'c2', name: 'weather', arguments: '{"city": "Ro' }], finish: 'length' }],
    ['calls without a word', { calls: [{ id: 'c2', name: 'weather', arguments: '{}' }] }],
    [
      'words after a call',
      {
        deltas: [
          chunk({ content: 'A' }),
          chunk({ tool_calls: [{ index: 0, id: 'c2', function: { name: 'weather', arguments: '{}' } }] }),
          chunk({ content: 'B' }),
        ],
        finish: 'tool_calls',
      },
    ],
    ['nothing at all', { text: [] }],
  ])('is known again after %s', async (_name, reply) => {
    const client = await start(reply, { text: 'Yes.' });
    const first = await client.messages.create(params);
    await client.messages.create({
      ...params,
      messages: [
        ...params.messages,
        { role: 'assistant', content: first.content as Anthropic.ContentBlockParam[] },
        { role: 'user', content: 'Sure?' },
      ],
    });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });

  it('can be gone on from by the Responses API', async () => {
    const client = await start(sum, { text: 'It is 2.' }, { text: 'Yes.' });
    const first = await client.messages.create({ ...ASK, system: 'Be brief.' });
    await gateway.client.responses.create({ model: 'gyre', input: 'Sure?', previous_response_id: first.id });
    expect(gateway.engine.requests[2]?.body.messages.map((message) => message.role)).toEqual([
      'system',
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
    ]);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });
});
