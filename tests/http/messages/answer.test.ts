/** An answer of the Messages API, whole and as the official client puts it together from its events. */
import type Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { ASK, bothWays, events, gateway, ODD, type Params, start, startBy, WEATHER } from './client.js';

afterEach(async () => gateway.close());

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
    expect(answer.content).toEqual([{ type: 'text', text: 'Four days.' }]);
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
    ['ends by itself', { text: 'Four.' }, ASK, { stop_reason: 'end_turn', content: [{ type: 'text', text: 'Four.' }] }],
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
