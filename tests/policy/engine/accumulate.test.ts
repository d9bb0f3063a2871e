/** Chunks of every engine's habits in, whole actions out. */
import { describe, expect, it } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { Action, PolicyEvent } from '../../../src/core/policy.js';
import { Accumulator, type ReplyOptions } from '../../../src/policy/engine/accumulate.js';

const TIMINGS = { startedAt: 0, totalMs: 1 };
const chunk = (choice: Record<string, unknown>, more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    id: 'x',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }],
    ...more,
  });
const calls = (...tool_calls: readonly Record<string, unknown>[]): string => chunk({ delta: { tool_calls } });
const finish = (reason: string): string => chunk({ finish_reason: reason });

function fold(
  chunks: readonly string[],
  asked: Partial<ReplyOptions> = {},
): { readonly actions: readonly Action[]; readonly events: readonly PolicyEvent[] } {
  const accumulator = new Accumulator({ tokenLogprobs: false, maxBytes: 1e6, ...asked });
  const events: PolicyEvent[] = [];
  for (const each of chunks) accumulator.push(each, events);
  return { actions: accumulator.finish(TIMINGS), events };
}

const one = (chunks: readonly string[], asked?: Partial<ReplyOptions>): Action | undefined =>
  fold(chunks, asked).actions[0];

describe('tool calls in deltas', () => {
  const a = { name: 'a', arguments: '{"x":1}' };
  const b = { name: 'b', arguments: '{"y":2}' };

  it.each<[string, readonly string[]]>([
    [
      'by index, the name first',
      [
        calls({ index: 0, id: '1', function: { name: 'a' } }),
        calls({ index: 0, function: { arguments: '{"x"' } }),
        calls({ index: 0, function: { arguments: ':1}' } }),
        calls({ index: 1, id: '2', function: { name: 'b', arguments: '{"y":2}' } }),
      ],
    ],
    ['whole, in one chunk', [calls({ index: 0, id: '1', function: a }, { index: 1, id: '2', function: b })]],
    ['all with index 0', [calls({ index: 0, id: '1', function: a }), calls({ index: 0, id: '2', function: b })]],
    [
      'all with index 0, arguments following each',
      [
        calls({ index: 0, id: '1', function: { name: 'a' } }),
        calls({ index: 0, function: { arguments: '{"x":1}' } }),
        calls({ index: 0, id: '2', function: { name: 'b' } }),
        calls({ index: 0, function: { arguments: '{"y":2}' } }),
      ],
    ],
    [
      'without any index',
      [
        calls({ id: '1', function: { name: 'a', arguments: '{"x":' } }),
        calls({ function: { arguments: '1}' } }),
        calls({ id: '2', function: b }),
      ],
    ],
    [
      'with indexes that begin at 1 and leave gaps',
      [
        calls({ index: 1, id: '1', function: a }),
        calls({ index: 4, id: '2', function: { name: 'b' } }),
        calls({ index: 4, function: { arguments: '{"y":2}' } }),
      ],
    ],
    [
      'interleaved',
      [
        calls(
          { index: 0, id: '1', function: { name: 'a', arguments: '{"x"' } },
          { index: 1, id: '2', function: { name: 'b', arguments: '{"y"' } },
        ),
        calls({ index: 1, function: { arguments: ':2}' } }, { index: 0, function: { arguments: ':1}' } }),
      ],
    ],
    [
      'with the id repeated on every piece',
      [
        calls({ index: 0, id: '1', function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 0, id: '1', function: { arguments: ':1}' } }),
        calls({ index: 0, id: '2', function: b }),
      ],
    ],
    [
      'with the id after the name',
      [
        calls({ index: 0, function: { name: 'a' } }),
        calls({ index: 0, id: '1', function: { arguments: '{"x":1}' } }),
        calls({ index: 1, function: b }),
      ],
    ],
    [
      'without ids, the name repeated on every piece',
      [
        calls({ index: 0, function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 0, function: { name: 'a', arguments: ':1}' } }),
        calls({ index: 0, function: b }),
      ],
    ],
    [
      'with arguments as an object',
      [
        calls({ index: 0, id: '1', function: { name: 'a', arguments: { x: 1 } } }),
        calls({ index: 1, id: '2', function: { name: 'b', arguments: { y: 2 } } }),
      ],
    ],
  ])('%s are two calls', (_name, chunks) => {
    const { actions, events } = fold([...chunks, finish('tool_calls')]);
    expect(actions[0]?.calls.map(({ name, arguments: args }) => ({ name, arguments: args }))).toEqual([a, b]);
    const ids = actions[0]?.calls.map((call) => call.id) ?? [];
    expect(new Set(ids).size).toBe(2);
    expect(ids.every((id) => id !== '')).toBe(true);
    const streamed = [0, 1].map((position) =>
      events
        .filter((event) => event.type === 'arguments' && event.position === position)
        .map((event) => (event.type === 'arguments' ? event.text : ''))
        .join(''),
    );
    expect(streamed).toEqual([a.arguments, b.arguments]);
    expect(
      events
        .filter((event) => event.type === 'call')
        .map((event) => (event.type === 'call' ? [event.position, event.id] : [])),
    ).toEqual(ids.map((id, position) => [position, id]));
  });

  it('twice the same name with complete arguments, without ids, is two calls', () => {
    expect(
      one([calls({ index: 0, function: a }), calls({ index: 0, function: a }), finish('tool_calls')])?.calls,
    ).toHaveLength(2);
  });

  it('show a call only once its name is known, because the name says whose it is', () => {
    const { events } = fold([
      calls({ index: 0, id: '1', function: { arguments: '{' } }),
      calls({ index: 0, function: { name: 'a', arguments: '}' } }),
      finish('tool_calls'),
    ]);
    expect(events.map((event) => event.type)).toEqual(['start', 'call', 'arguments']);
  });
});

it.each([
  ['a stop string is told', 'END', { finishReason: 'stop', stopSequence: 'END' }],
  ['the id of a token is no stop string', 2, { finishReason: 'stop', stopSequence: undefined }],
])('of what ended an action, %s', (_name, stop_reason, expected) => {
  const action = one([chunk({ delta: { content: 'a' } }), chunk({ finish_reason: 'stop', stop_reason })]);
  expect({ finishReason: action?.finishReason, stopSequence: action?.stopSequence }).toEqual(expected);
});

describe('tokens that arrive together', () => {
  const token = (text: string, id: number): string =>
    `{"id":"x","choices":[{"index":0,"delta":{"content":"${text}"},"logprobs":null,` +
    `"finish_reason":null,"token_ids":[${id}]}]}`;

  it('are one event, and those of the next packet another', () => {
    const accumulator = new Accumulator({ tokenLogprobs: false, maxBytes: 1e6 });
    const first: PolicyEvent[] = [];
    for (const data of [token('a', 1), token('b', 2), token('c', 3)]) accumulator.push(data, first);
    const second: PolicyEvent[] = [];
    accumulator.push(token('d', 4), second);
    expect(first.slice(1)).toEqual([{ type: 'text', index: 0, text: 'abc', tokenIds: [1, 2, 3] }]);
    expect(second).toEqual([{ type: 'text', index: 0, text: 'd', tokenIds: [4] }]);
    accumulator.push(finish('stop'), second);
    expect(accumulator.finish(TIMINGS)[0]).toMatchObject({ text: 'abcd', tokenIds: [1, 2, 3, 4] });
  });

  it('stay apart where the client asked for the entries of each', () => {
    const { events } = fold(
      [
        chunk({
          delta: { content: 'a' },
          logprobs: { content: [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }] },
          token_ids: [1],
        }),
        token('b', 2),
        finish('stop'),
      ],
      { tokenLogprobs: true },
    );
    expect(events.filter(({ type }) => type === 'text')).toHaveLength(2);
  });
});

describe('the end of an action', () => {
  it.each<[string, string, Partial<ReplyOptions>, number, string, boolean]>([
    ['length is a cut', 'length', {}, 3, 'length', true],
    ['stop without calls at the limit is believed', 'stop', { maxTokens: 3 }, 3, 'stop', false],
    ['an unknown reason is a stop', 'eos_token', {}, 3, 'stop', false],
    ['content_filter stays', 'content_filter', {}, 3, 'content_filter', false],
  ])('%s', (_name, reason, asked, tokens, finishReason, wasCut) => {
    const action = one([chunk({ delta: { content: 'x' }, token_ids: Array(tokens).fill(1) }), finish(reason)], asked);
    expect(action).toMatchObject({ finishReason, cut: wasCut });
  });

  it('with calls is a cut when the tokens reach the limit, whatever the engine says', () => {
    const made = calls({ index: 0, id: '1', function: { name: 'a', arguments: '{"x' } });
    const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 8 } });
    expect(one([made, finish('tool_calls'), usage], { maxTokens: 8 })).toMatchObject({
      cut: true,
      finishReason: 'length',
    });
    expect(one([made, finish('tool_calls'), usage], { maxTokens: 9 })).toMatchObject({
      cut: false,
      finishReason: 'tool_calls',
    });
    expect(one([made, finish('stop'), usage])).toMatchObject({ cut: false, finishReason: 'tool_calls' });
  });

  it('that never comes is a fault of the engine', () => {
    expect(() => fold([chunk({ delta: { content: 'x' } })])).toThrow(/without a finish reason/);
    expect(() => fold([])).toThrow(GyreError);
    expect(() => fold([chunk({ finish_reason: 'abort' })])).toThrow(GyreError);
  });

  it.each(['nonsense', '[]', 'null', '{"id":"x"}'])('%s is no chunk', (data) => {
    expect(() => fold([data, finish('stop')])).toThrow(/not a chat completion|without a finish/);
  });
});

describe('what the engine did not report', () => {
  it('stays absent', () => {
    const action = one([chunk({ delta: { role: 'assistant', content: 'x' } }), finish('stop')]);
    expect(action?.tokenIds).toBeUndefined();
    expect(action?.promptTokenIds).toBeUndefined();
    expect(action?.logprobs).toBeUndefined();
    expect(action?.usage.prompt_tokens).toBe(0);
  });

  it('includes logprobs that do not match their tokens, and placeholders', () => {
    const entry = (logprob: number): unknown => ({ content: [{ token: 'x', logprob, bytes: [], top_logprobs: [] }] });
    expect(
      one([chunk({ delta: { content: 'x' }, token_ids: [1, 2], logprobs: entry(-1) }), finish('stop')])?.logprobs,
    ).toBeUndefined();
    expect(
      one([chunk({ delta: { content: 'x' }, token_ids: [1], logprobs: entry(-9999) }), finish('stop')])?.logprobs,
    ).toBeUndefined();
    expect(
      one([chunk({ delta: { content: 'x' }, token_ids: [1], logprobs: entry(-0.5) }), finish('stop')])?.logprobs,
    ).toEqual([-0.5]);
  });
});

describe('several choices', () => {
  it("come back in order, and their usage adds up to the engine's", () => {
    const choice = (index: number, more: Record<string, unknown>): string =>
      JSON.stringify({ id: 'x', choices: [{ index, delta: {}, finish_reason: null, ...more }] });
    const { actions } = fold([
      choice(1, { delta: { content: 'b' }, token_ids: [2, 3] }),
      choice(0, { delta: { content: 'a' }, token_ids: [1] }),
      choice(1, { finish_reason: 'length' }),
      choice(0, { finish_reason: 'stop' }),
      JSON.stringify({
        choices: [],
        usage: { prompt_tokens: 5, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } },
      }),
    ]);
    expect(
      actions.map((action) => [
        action.text,
        action.finishReason,
        action.usage.prompt_tokens,
        action.usage.completion_tokens,
      ]),
    ).toEqual([
      ['a', 'stop', 5, 1],
      ['b', 'length', 0, 2],
    ]);
    expect(actions[0]?.usage.cached_tokens).toBe(4);
  });
});

it('reads a server that answers a streamed request with one whole completion', () => {
  const action = one([
    JSON.stringify({
      id: 'x',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'hi', reasoning_content: 'hm' }, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 2, completion_tokens: 1 },
    }),
  ]);
  expect(action).toMatchObject({ text: 'hi', reasoning: 'hm', finishReason: 'stop', usage: { prompt_tokens: 2 } });
});
