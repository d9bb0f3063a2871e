/**
 * What official SDKs do with odd streams: whatever the engine sends, they get one of OpenAI's form, which they read
 * right.
 */
import type OpenAI from 'openai';
import { APIError } from 'openai';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../fakes/engine.js';
import { startGateway, type Gateway } from '../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const FUNCTIONS = ['a', 'b'].map((name) => ({
  type: 'function' as const,
  function: { name, parameters: { type: 'object' } },
}));
const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }], tools: FUNCTIONS };
const A = { id: '1', function: { name: 'a', arguments: '{"x":1}' } };
const B = { id: '2', function: { name: 'b', arguments: '{"y":2}' } };
const comment = ': keepalive\n\n';
const chunk = (delta: unknown, more: Record<string, unknown> = {}): string =>
  `data: ${JSON.stringify({ id: 'e', choices: [{ index: 0, delta, finish_reason: null, ...more }] })}\n\n`;

interface Seen {
  readonly content: string | null;
  readonly calls: readonly (readonly [string, string])[];
  readonly finish: string;
}

/** By hand, by the SDK's accumulator, and whole: all three must say the same. */
async function readThrice(): Promise<Seen[]> {
  const raw = { content: '', calls: [] as { name: string; arguments: string }[], finish: '' };
  for await (const chunk of await gateway.client.chat.completions.create({ ...ASK, stream: true })) {
    const choice = chunk.choices[0];
    if (choice === undefined) throw new Error('a chunk without choices reached a client that did not ask for usage');
    raw.content += choice.delta.content ?? '';
    for (const delta of choice.delta.tool_calls ?? []) {
      const call = (raw.calls[delta.index] ??= { name: '', arguments: '' });
      call.name += delta.function?.name ?? '';
      call.arguments += delta.function?.arguments ?? '';
    }
    if (choice.finish_reason !== null) raw.finish += choice.finish_reason;
  }
  const accumulated = await gateway.client.chat.completions.stream(ASK).finalChatCompletion();
  const whole = await gateway.client.chat.completions.create(ASK);
  return [
    {
      content: raw.content === '' ? null : raw.content,
      calls: raw.calls.map((call) => [call.name, call.arguments] as const),
      finish: raw.finish,
    },
    ...[accumulated, whole].map(seenIn),
  ];
}

function seenIn(completion: OpenAI.ChatCompletion): Seen {
  const choice = completion.choices[0];
  const calls = (choice?.message.tool_calls ?? []).map((call) =>
    call.type === 'function' ? ([call.function.name, call.function.arguments] as const) : (['', ''] as const),
  );
  const content = choice?.message.content ?? null;
  return { content: content === '' ? null : content, calls, finish: choice?.finish_reason ?? '' };
}

describe('an engine whose stream', () => {
  const both: Seen = {
    content: null,
    calls: [
      ['a', '{"x":1}'],
      ['b', '{"y":2}'],
    ],
    finish: 'tool_calls',
  };
  const said: Seen = { content: 'one two', calls: [], finish: 'stop' };

  it.each<[string, Reply, Seen]>([
    ['is ordinary', { text: 'one two' }, said],
    [
      'has comments before and between its chunks',
      { deltas: [comment, chunk({ content: 'one' }), comment, chunk({ content: ' two' })] },
      said,
    ],
    [
      'has named events',
      {
        deltas: [
          'event: vendor.tool\ndata: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n',
          chunk({ content: ' two' }),
        ],
      },
      said,
    ],
    [
      'has ids and retry times',
      { deltas: ['id: 7\n', chunk({ content: 'one' }), 'retry: 5\n\n', chunk({ content: ' two' })] },
      said,
    ],
    [
      'has unknown fields in its deltas',
      { deltas: [chunk({ content: 'one', mood: 'good' }), chunk({ content: ' two', extra: { a: 1 } })] },
      said,
    ],
    [
      'repeats the role',
      { deltas: [chunk({ role: 'assistant', content: 'one' }), chunk({ role: 'assistant', content: ' two' })] },
      said,
    ],
    ['changes its id', { deltas: [chunk({ content: 'one' }).replace('"e"', '"f"'), chunk({ content: ' two' })] }, said],
    ['has null content', { deltas: [chunk({ content: null }), chunk({ content: 'one two' })] }, said],
    [
      'has usage on every chunk',
      {
        deltas: [
          'data: {"id":"e","choices":[{"index":0,"delta":{"content":"one ' +
            'two"},"finish_reason":null}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n',
        ],
      },
      said,
    ],
    ['does not say [DONE]', { text: 'one two', done: false }, said],
    ['ends its lines with CR LF', { text: 'one two', crlf: true }, said],
    [
      'gives two calls one index',
      {
        deltas: [chunk({ tool_calls: [{ index: 0, ...A }] }), chunk({ tool_calls: [{ index: 0, ...B }] })],
        finish: 'tool_calls',
      },
      both,
    ],
    [
      'gives calls no index',
      { deltas: [chunk({ tool_calls: [A] }), chunk({ tool_calls: [B] })], finish: 'tool_calls' },
      both,
    ],
    [
      'begins at index 1',
      {
        deltas: [chunk({ tool_calls: [{ index: 1, ...A }] }), chunk({ tool_calls: [{ index: 2, ...B }] })],
        finish: 'tool_calls',
      },
      both,
    ],
    [
      'ends a call with stop',
      {
        deltas: [
          chunk({
            tool_calls: [
              { index: 0, ...A },
              { index: 1, ...B },
            ],
          }),
        ],
        finish: 'stop',
      },
      both,
    ],
    ['says tool_calls without a call', { text: 'one two', finish: 'tool_calls' }, said],
  ])('%s is read right', async (_name, reply, expected) => {
    gateway = await startGateway({ script: inTurn(reply) });
    for (const seen of await readThrice()) expect(seen).toEqual(expected);
  });

  it.each<[string, Reply]>([
    [
      'holds an error object',
      { deltas: [chunk({ content: 'one' }), 'data: {"error":{"message":"boom","code":500}}\n\n'] },
    ],
    [
      'holds a named error',
      { deltas: [chunk({ content: 'one' }), 'event: error\ndata: {"error":{"message":"boom","code":500}}\n\n'] },
    ],
    ['ends without a finish reason', { text: 'one', finish: null }],
    ['ends without a finish reason or [DONE]', { text: 'one', finish: null, done: false }],
  ])('%s is an error to the client, never a short answer', async (_name, reply) => {
    gateway = await startGateway({ script: inTurn(reply) });
    await expect(async () => {
      for await (const each of await gateway.client.chat.completions.create({ ...ASK, stream: true }))
        expect(each.object).toBe('chat.completion.chunk');
    }).rejects.toBeInstanceOf(APIError);
    await expect(gateway.client.chat.completions.stream(ASK).finalChatCompletion()).rejects.toThrow();
    await expect(gateway.client.chat.completions.create(ASK)).rejects.toMatchObject({ status: 502 });
  });

  it('is cut anywhere is read right', async () => {
    let at: readonly number[] = [];
    gateway = await startGateway({
      script: inTurn({
        text: ['né', '€', '𝄞 ', '日本'],
        calls: [{ id: '1', name: 'a', arguments: '{"s":"ü𝄞"}' }],
        crlf: true,
        cut: (bytes) =>
          [0, ...at.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length].map(
            (edge, index, edges) => bytes.subarray(edges[index - 1] ?? 0, edge),
          ),
      }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (places) => {
        at = places;
        const seen = seenIn(await gateway.client.chat.completions.stream(ASK).finalChatCompletion());
        expect(seen).toEqual({ content: 'né€𝄞 日本', calls: [['a', '{"s":"ü𝄞"}']], finish: 'tool_calls' });
      }),
      { numRuns: 40 },
    );
  });
});
