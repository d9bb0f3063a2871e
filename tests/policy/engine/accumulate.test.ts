/** Chunks of every engine's habits in, whole actions out. */
import { describe, expect, it } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { PolicyEvent } from '../../../src/core/policy.js';
import { Accumulator, type ReplyOptions } from '../../../src/policy/engine/accumulate.js';
import { calls, chunk, finish, fold, one } from './chunks.js';

it.each([
  ['a stop string is told', 'END', { finishReason: 'stop', stopSequence: 'END' }],
  ['the id of a token is no stop string', 2, { finishReason: 'stop', stopSequence: undefined }],
])('of what ended an action, %s', (_name, stop_reason, expected) => {
  const action = one([chunk({ delta: { content: 'a' } }), chunk({ finish_reason: 'stop', stop_reason })]);
  expect({ finishReason: action?.finishReason, stopSequence: action?.stopSequence }).toEqual(expected);
});

it.each([[-6], [1.5], [2 ** 31], ['7'], [null]])(
  'the id %j is of no token: then it has none, and its text stays',
  (id) => {
    const [action, asked] = [1, 2].map((which) =>
      one([
        chunk({ delta: { content: 'a' }, token_ids: which === 1 ? [1, id] : [1] }, { prompt_token_ids: [3, id] }),
        chunk({ finish_reason: 'stop' }),
      ]),
    );
    expect(action).toMatchObject({ text: 'a', tokenIds: undefined, promptTokenIds: undefined });
    expect(asked).toMatchObject({ text: 'a', tokenIds: [1], promptTokenIds: undefined });
  },
);

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
    expect(accumulator.finish({ startedAt: 0, totalMs: 1 })[0]).toMatchObject({ text: 'abcd', tokenIds: [1, 2, 3, 4] });
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
    ["TGI's word for the end", 'eos_token', {}, 3, 'stop', false],
    ["Anthropic's", 'end_turn', {}, 3, 'stop', false],
    ["Gemini's", 'STOP', {}, 3, 'stop', false],
    ...['max_tokens', 'MAX_TOKENS', 'FinishReason.MAX_TOKENS', 'model_length', 'pause_turn'].map(
      (word): [string, string, Partial<ReplyOptions>, number, string, boolean] => [word, word, {}, 3, 'length', true],
    ),
    ...['SAFETY', 'RECITATION', 'PROHIBITED_CONTENT', 'refusal', 'guardrail_intervened'].map(
      (word): [string, string, Partial<ReplyOptions>, number, string, boolean] => [
        word,
        word,
        {},
        3,
        'content_filter',
        false,
      ],
    ),
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

  it.each(['insufficient_system_resource', 'MALFORMED_FUNCTION_CALL', 'error', 'network_error', 'quite_new'])(
    '%s is a fault that names it',
    (word) => {
      expect(() => fold([chunk({ delta: { content: 'x' } }), finish(word)])).toThrow(word);
    },
  );

  it.each(['', 'null', null, 'FINISH_REASON_UNSPECIFIED'])('%j is none yet', (word) => {
    const said = chunk({ delta: { content: 'x' }, finish_reason: word });
    expect(() => fold([said])).toThrow(/without a finish reason/);
    expect(one([said, finish('length'), said])).toMatchObject({ finishReason: 'length', text: 'xx' });
  });

  it('of two words is the one that says more', () => {
    expect(one([chunk({ delta: { content: 'x' } }), finish('length'), finish('stop')])?.cut).toBe(true);
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
