/** Tools of the Messages API: the gateway's own are run and not shown, the client's go through its own runner. */
import type Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type EngineRequest, type Reply } from '../../fakes/engine.js';
import { ASK, bothWays, chunk, events, gateway, type Params, start, startBy, sum, WEATHER } from './client.js';

afterEach(async () => gateway.close());

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
      String(request.body.messages.at(-1)?.content).includes('No more tool calls')
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
