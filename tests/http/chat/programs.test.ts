/** What programs that speak Chat Completions send beyond the protocol, and what becomes of it. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (...replies: Reply[]): Promise<Gateway> =>
  (gateway = await startGateway({ script: inTurn(...replies) }));

const ask = async (more: object): Promise<Response> =>
  gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }], ...more });
const CALL = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };

describe('a message', () => {
  it('loses what an SDK or a proxy added to it', async () => {
    await start({ text: 'ok' });
    const response = await ask({
      messages: [
        { role: 'system', content: 'Be brief.', cache_control: { type: 'ephemeral' } },
        { role: 'developer', content: 'Be kind.', id: 'm0' },
        { role: 'user', content: [{ type: 'text', text: 'q', cache_control: { type: 'ephemeral' } }], timestamp: 1 },
        {
          role: 'assistant',
          content: 'a',
          id: 'msg_1',
          provider_specific_fields: { refusal: null },
          reasoning_details: [{ type: 'reasoning.text', text: 'hm' }],
          thinking_blocks: [{ type: 'thinking', thinking: 'hm' }],
          reasoning_content: 'hm',
          annotations: null,
          audio: { id: 'x' },
          images: [],
          tool_calls: [{ ...CALL, index: 0, extra_content: { google: {} }, provider_specific_fields: {} }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'r', name: 'f', is_error: false, cache_control: {} },
      ],
    });
    expect(response.status).toBe(200);
    expect(gateway.engine.requests[0]?.body.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: [{ type: 'text', text: 'q' }] },
      { role: 'assistant', content: 'a', reasoning: 'hm', tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'c', content: 'r' },
    ]);
  });

  it.each([[[]], [null], [undefined]])('of a tool may be empty: %j', async (content) => {
    await start({ text: 'ok' });
    const messages = [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: null, tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'c', content },
    ];
    expect((await ask({ messages })).status).toBe(200);
    expect(gateway.engine.requests[0]?.body.messages[2]).toEqual({ role: 'tool', tool_call_id: 'c', content: '' });
  });

  it('of the older kind of function is a result of the call before it', async () => {
    await start({ text: 'ok' });
    const called = (name: string): object => ({
      role: 'assistant',
      content: null,
      function_call: { name, arguments: '{"a":1}' },
    });
    await ask({
      messages: [
        { role: 'user', content: 'q' },
        called('f'),
        { role: 'function', name: 'f', content: 'one' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { ...CALL, id: 'd' },
            { ...CALL, id: 'e' },
          ],
        },
        { role: 'tool', tool_call_id: 'e', content: 'three' },
        { role: 'function', name: 'f', content: 'two' },
        { role: 'function', name: 'never_called', content: null },
      ],
    });
    const sent = gateway.engine.requests[0]?.body.messages ?? [];
    expect(sent[1]?.tool_calls).toEqual([
      { id: 'function_call_1', type: 'function', function: { name: 'f', arguments: '{"a": 1}' } },
    ]);
    expect(sent.filter(({ role }) => role === 'tool').map((each) => [each.tool_call_id, each.content])).toEqual([
      ['function_call_1', 'one'],
      ['d', 'two'],
      ['e', 'three'],
      ['function_call_6', ''],
    ]);
  });

  it.each([
    ['a role there is not', { role: 'robot', content: 'x' }, 'messages.0.role'],
    ['a part without its text', { role: 'user', content: [{ type: 'text' }] }, 'messages.0.content.0.text'],
    [
      'an image without an address',
      { role: 'user', content: [{ type: 'image_url' }] },
      'messages.0.content.0.image_url',
    ],
    ['a call without a function', { role: 'assistant', tool_calls: [{ id: 'a' }] }, 'messages.0.tool_calls.0.function'],
    ['a result of no call', { role: 'tool', content: 'x' }, 'messages.0.tool_call_id'],
  ])('with %s is refused by name', async (_name, message, param) => {
    await start();
    const response = await ask({ messages: [message] });
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param } }]);
  });
});

describe('a request', () => {
  it.each([
    { verbosity: 'low' },
    { prompt_cache_key: 'k', prompt_cache_retention: '24h', safety_identifier: 's', service_tier: 'auto', user: 'u' },
    { tools: [{ type: 'function', function: { name: 'f', parameters: {}, colour: 'red' }, cache_control: {} }] },
    { tools: [{ function: { name: 'f' } }] },
  ])('with hints that change no answer is answered: %j', async (more) => {
    await start({ text: 'ok' });
    expect((await ask(more)).status).toBe(200);
    expect(JSON.stringify(gateway.engine.requests[0]?.body)).not.toMatch(/verbosity|cache|safety|tier|colour/);
  });

  it('still is refused for a parameter there is not, with the nearest', async () => {
    await start();
    const { error } = (await (await ask({ verbosty: 'low' })).json()) as { error: { message: string } };
    expect(error.message).toContain('"verbosity"');
  });

  it.each([
    [{ type: 'function', function: { name: 'no spaces' } }, 'tools.0.function.name'],
    [{ type: 'function' }, 'tools.0.function'],
    [{ type: 'function', function: { name: 'f', parameters: 'x' } }, 'tools.0.function.parameters'],
    [{ type: 'function', function: { name: 'f', strict: 'yes' } }, 'tools.0.function.strict'],
  ])('with a tool that is wrong is told which field is: %j', async (tool, param) => {
    await start();
    const { error } = (await (await ask({ tools: [tool] })).json()) as { error: { param: string; message: string } };
    expect(error.param).toBe(param);
    expect(error.message).not.toContain('(it is "function")');
  });
});

describe('usage on every chunk', () => {
  interface Chunk {
    readonly choices: readonly unknown[];
    readonly usage?: {
      readonly prompt_tokens: number;
      readonly completion_tokens: number;
      readonly total_tokens: number;
    };
  }
  const usages = async (more: object): Promise<readonly Chunk[]> => {
    const text = await (await ask({ stream: true, ...more })).text();
    return text
      .split('\n\n')
      .filter((frame) => frame.startsWith('data: {'))
      .map((frame) => JSON.parse(frame.slice(6)) as Chunk);
  };

  it.each<[string, Reply[]]>([
    ['an answer', [{ text: ['a', 'b', 'c'] }]],
    ['reasoning', [{ reasoning: ['hm', 'so'], text: ['a', 'b'] }]],
    ['an answer without token ids', [{ text: ['a', 'b'], tokenIds: false }]],
    [
      'two steps',
      [{ text: ['a'], calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }] }, { text: ['b', 'c'] }],
    ],
  ])('of %s only grows, up to the true sum', async (_name, replies) => {
    await start(...replies);
    const chunks = await usages({ stream_options: { include_usage: true, continuous_usage_stats: true } });
    for (const { usage } of chunks)
      expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? NaN) + (usage?.completion_tokens ?? NaN));
    const counts = chunks.map(({ usage }) => usage?.completion_tokens ?? NaN);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts[0]).toBe(0);
    expect(counts.at(-2)).toBe(counts.at(-1));
    expect(new Set(counts).size).toBeGreaterThan(2);
    expect(chunks.at(-1)?.choices).toEqual([]);
  });

  it('is not there without usage at the end, nor unasked', async () => {
    await start({ text: 'ok' });
    for (const { usage } of await usages({ stream_options: { continuous_usage_stats: true } }))
      expect(usage).toBeUndefined();
    const asked = await usages({ stream_options: { include_usage: true } });
    expect(asked.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });
});

describe('a benchmark (guidellm)', () => {
  it('bounds every answer from both sides, and is told the usage as it grows', async () => {
    await start({ text: ['one', ' two', ' three'] });
    const response = await ask({
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
      max_completion_tokens: 3,
      stop: null,
      ignore_eos: true,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('"completion_tokens":3');
    const sent = gateway.engine.requests[0]?.body;
    expect(sent).toMatchObject({ ignore_eos: true });
    expect(sent?.max_tokens ?? sent?.['max_completion_tokens']).toBe(3);
    expect(sent?.['stop'] ?? null).toBeNull();
  });
});
