/**
 * The Responses API through the official client: items and events as it reads them, over the same loop and the same
 * log.
 */
import type OpenAI from 'openai';
import { APIError } from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type EngineRequest, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

type Event = OpenAI.Responses.ResponseStreamEvent;

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (...replies: Reply[]): Promise<OpenAI> => {
  gateway = await startGateway({ script: inTurn(...replies) });
  return gateway.client;
};
const startBy = async (options: GatewayOptions): Promise<OpenAI> => (gateway = await startGateway(options)).client;

/** A type of ours, which the client's own types do not know. */
const CALCULATOR = [{ type: 'gyre:calculator' }] as unknown as OpenAI.Responses.Tool[];
const WEATHER = { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: null };
const sum: Reply = {
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"1+1"}' }],
};

async function events(stream: AsyncIterable<Event>): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

describe('a plain answer', () => {
  it('is one message, with usage and everything the request said', async () => {
    const client = await start({ text: ['Four', ' days.'] });
    const response = await client.responses.create({
      model: 'gyre',
      input: 'How many?',
      instructions: 'Be brief.',
      max_output_tokens: 50,
      metadata: { a: 'b' },
    });
    expect(response).toMatchObject({
      object: 'response',
      status: 'completed',
      output_text: 'Four days.',
      error: null,
      incomplete_details: null,
      instructions: 'Be brief.',
      max_output_tokens: 50,
      metadata: { a: 'b' },
      tool_choice: 'auto',
      truncation: 'disabled',
    });
    expect(response.output).toMatchObject([
      {
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Four days.', annotations: [] }],
      },
    ]);
    expect(response.usage?.total_tokens).toBe(
      (response.usage?.input_tokens ?? 0) + (response.usage?.output_tokens ?? 0),
    );
    expect(gateway.engine.requests[0]?.body.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'How many?' },
    ]);
    expect(gateway.logged[0]).toMatchObject({ opening: { responseId: response.id }, ending: { outcome: 'completed' } });
  });

  it('streams the events of the protocol in their order, numbered, and the end is the whole', async () => {
    const client = await start({ text: ['Four', ' days.'] });
    const seen = await events(await client.responses.create({ model: 'gyre', input: 'How many?', stream: true }));
    expect(seen.map((event) => event.type).filter((type) => type !== 'response.output_text.delta')).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(seen.map((event) => event.sequence_number)).toEqual(seen.map((_, at) => at));
    expect(seen.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('')).toBe(
      'Four days.',
    );
    const last = seen.at(-1);
    expect(last?.type === 'response.completed' && last.response.output).toMatchObject([
      { type: 'message', content: [{ text: 'Four days.' }] },
    ]);
  });

  it("is what the client's own accumulator makes of the stream, reasoning and calls included", async () => {
    const client = await start({
      reasoning: ['H', 'm.'],
      text: ['A', 'B'],
      calls: [{ id: 'c1', name: 'weather', arguments: '{"city":"Rome"}' }],
    });
    const response = await client.responses.stream({ model: 'gyre', input: 'q', tools: [WEATHER] }).finalResponse();
    expect(response.output_text).toBe('AB');
    expect(response.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Hm.' }] },
      { type: 'message', content: [{ text: 'AB' }] },
      { type: 'function_call', name: 'weather', arguments: '{"city":"Rome"}' },
    ]);
  });

  it('is parsed by the client where a schema was asked for', async () => {
    const client = await start({ text: '{"days":4}' });
    const schema = { type: 'object', properties: { days: { type: 'integer' } }, required: ['days'] };
    const response = await client.responses.parse({
      model: 'gyre',
      input: 'q',
      tool_choice: 'none',
      text: { format: { type: 'json_schema', name: 'days', schema, strict: true } },
    });
    expect(response.output_text).toBe('{"days":4}');
    expect(gateway.engine.requests[0]?.body['response_format']).toMatchObject({ type: 'json_schema' });
  });
});

describe('tools', () => {
  it("the gateway's own are run, and shown as calls of the server gyre where they were asked for", async () => {
    const client = await start(sum, { text: 'It is 2.' });
    const response = await client.responses.create({ model: 'gyre', input: '1+1?', tools: CALCULATOR });
    expect(response.output).toMatchObject([
      { type: 'message', content: [{ text: 'Let me see. ' }] },
      {
        type: 'mcp_call',
        server_label: 'gyre',
        name: 'calculator',
        arguments: '{"expression":"1+1"}',
        output: '2',
        error: null,
        status: 'completed',
      },
      { type: 'message', content: [{ text: 'It is 2.' }] },
    ]);
    expect(response.usage).toMatchObject({
      server_tool_use: { requested: 1, executed: 1, by_tool: { calculator: 1 } },
    });
  });

  it("the client's own are returned, and its answer goes on from the response", async () => {
    const client = await start(
      { calls: [{ id: 'c1', name: 'weather', arguments: '{"city":"Rome"}' }] },
      { text: 'Sunny.' },
    );
    const first = await client.responses.create({ model: 'gyre', input: 'Weather?', tools: [WEATHER] });
    expect(first.output).toMatchObject([
      { type: 'function_call', name: 'weather', arguments: '{"city":"Rome"}', status: 'completed' },
    ]);
    const [call] = first.output;
    const second = await client.responses.create({
      model: 'gyre',
      previous_response_id: first.id,
      tools: [WEATHER],
      input: [
        { type: 'function_call_output', call_id: call?.type === 'function_call' ? call.call_id : '', output: 'sun' },
      ],
    });
    expect(second.output_text).toBe('Sunny.');
    expect(gateway.engine.requests[1]?.body.messages.map((message) => message.role)).toEqual([
      'user',
      'assistant',
      'tool',
    ]);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });

  it('stream their arguments, and an item begins and ends once', async () => {
    const client = await start({
      calls: [
        { id: 'c1', name: 'weather', arguments: '{"city":"Rome"}' },
        { id: 'c2', name: 'weather', arguments: '{"city":"Oslo"}' },
      ],
    });
    const seen = await events(
      await client.responses.create({ model: 'gyre', input: 'Weather?', tools: [WEATHER], stream: true }),
    );
    const added = seen
      .filter((event) => event.type === 'response.output_item.added')
      .map((event) => event.output_index);
    expect(added).toEqual([0, 1]);
    expect(seen.flatMap((event) => (event.type === 'response.output_item.done' ? [event.item] : []))).toMatchObject([
      { arguments: '{"city":"Rome"}' },
      { arguments: '{"city":"Oslo"}' },
    ]);
    for (const at of added) {
      const deltas = seen
        .flatMap((event) =>
          event.type === 'response.function_call_arguments.delta' && event.output_index === at ? [event.delta] : [],
        )
        .join('');
      expect(
        seen.find((event) => event.type === 'response.function_call_arguments.done' && event.output_index === at),
      ).toMatchObject({ arguments: deltas });
    }
  });

  it("a call of the gateway's own begins without its arguments, and what follows is put to it", async () => {
    const client = await start(sum, { text: 'It is 2.' });
    const seen = await events(
      await client.responses.create({ model: 'gyre', input: '1+1?', tools: CALCULATOR, stream: true }),
    );
    const about = seen.filter(
      (event) =>
        event.type.includes('mcp_call') ||
        (event.type.startsWith('response.output_item.') && 'item' in event && event.item.type === 'mcp_call'),
    );
    expect(about.map((event) => event.type)).toEqual([
      'response.output_item.added',
      'response.mcp_call.in_progress',
      'response.mcp_call_arguments.delta',
      'response.mcp_call_arguments.done',
      'response.mcp_call.completed',
      'response.output_item.done',
    ]);
    expect(about.flatMap((event) => ('item' in event ? [event.item] : []))).toMatchObject([
      { arguments: '', output: null, status: 'in_progress' },
      { arguments: '{"expression":"1+1"}', output: '2', status: 'completed' },
    ]);
    expect(about.flatMap((event) => ('delta' in event ? [event.delta] : []))).toEqual(['{"expression":"1+1"}']);
  });

  it('a limit makes the answer incomplete, with its name', async () => {
    const insatiable = (request: EngineRequest, number: number): Reply =>
      String(request.body.messages.at(-1)?.content).includes('No more tool calls')
        ? { text: 'Enough.' }
        : { calls: [{ id: `c${number}`, name: 'calculator', arguments: `{"expression":"${number}+1"}` }] };
    const client = await startBy({ script: insatiable });
    expect(
      await client.responses.create({
        model: 'gyre',
        input: 'q',
        max_tool_calls: 2,
      } as OpenAI.Responses.ResponseCreateParamsNonStreaming),
    ).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      gyre: { stop_reason: 'max_tool_calls' },
    });
  });
});

describe('conversations', () => {
  it('go on from a response with hidden turns put back, under instructions of their own', async () => {
    const client = await start(sum, { text: 'It is 2.' }, { text: 'Yes.' });
    const first = await client.responses.create({ model: 'gyre', input: '1+1?', instructions: 'One.' });
    const second = await client.responses.create({
      model: 'gyre',
      input: 'Sure?',
      previous_response_id: first.id,
      instructions: 'One.',
    });
    expect(second).toMatchObject({ output_text: 'Yes.', previous_response_id: first.id });
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

  it('go on from items that are sent again, as from chat messages', async () => {
    const client = await start(sum, { text: 'It is 2.' }, { text: 'Yes.' });
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: '1+1?' }];
    const first = await client.responses.create({ model: 'gyre', input });
    await client.responses.create({
      model: 'gyre',
      input: [...input, ...(first.output as OpenAI.Responses.ResponseInputItem[]), { role: 'user', content: 'Sure?' }],
    });
    expect(gateway.engine.requests[2]?.body.messages.map((message) => message.role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
    ]);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });

  it('an unknown response to go on from is refused before anything is asked', async () => {
    const client = await start();
    await expect(
      client.responses.create({ model: 'gyre', input: 'q', previous_response_id: 'resp_nothing' }),
    ).rejects.toMatchObject({ status: 404, code: 'previous_response_not_found', param: 'previous_response_id' });
    expect(gateway.engine.requests).toHaveLength(0);
  });
});

describe('what cannot be', () => {
  it.each([
    [{ background: true }, 'background'],
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ tools: [{ type: 'functions', name: 'x' }] }, 'tools.0'],
    [{ include: ['reasoning'] }, 'include.0'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input.0'],
    [{ nonsense: 1 }, 'nonsense'],
    [{ input: undefined }, 'input'],
  ])('%j is refused by name', async (more, param) => {
    const client = await start();
    const refused = client.responses.create({
      model: 'gyre',
      input: 'q',
      ...more,
    } as OpenAI.Responses.ResponseCreateParamsNonStreaming);
    await expect(refused).rejects.toMatchObject({ status: 400, param: expect.stringContaining(param) as string });
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it('an engine that fails before a word is an error of its own status; after one, the stream fails', async () => {
    const client = await startBy({ script: inTurn({ status: 500 }, { text: ['one', ' two', ' three'], reset: 3 }) });
    await expect(client.responses.create({ model: 'gyre', input: 'q', stream: true })).rejects.toBeInstanceOf(APIError);
    const stream = await client.responses.create({ model: 'gyre', input: 'q', stream: true });
    await expect(events(stream)).rejects.toBeInstanceOf(APIError);
  });
});
