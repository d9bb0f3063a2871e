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
  accumulator.end(events);
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
    [
      'with the same id at two indexes',
      [
        calls({ index: 0, id: 'x', function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 1, id: 'x', function: { name: 'b', arguments: '{"y"' } }),
        calls({ index: 0, id: 'x', function: { arguments: ':1}' } }),
        calls({ index: 1, id: 'x', function: { arguments: ':2}' } }),
      ],
    ],
    [
      'with a new id on every piece',
      [
        calls({ index: 0, id: '1', function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 0, id: '2', function: { arguments: ':1}' } }),
        calls({ index: 1, id: '3', function: { name: 'b', arguments: '{"y"' } }),
        calls({ index: 1, id: '4', function: { arguments: ':2}' } }),
      ],
    ],
    [
      'without a name on the first piece of one',
      [
        calls({ index: 0, id: '1', function: {} }, { index: 1, id: '2', function: {} }),
        calls({ index: 0, function: { name: 'a', arguments: '{"x":1}' } }),
        calls({ index: 1, function: { name: 'b', arguments: '{"y":2}' } }),
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

  it.each<[string, readonly (Record<string, unknown> | null)[]]>([
    [
      'in pieces',
      [
        { index: 0, id: '1', function: { name: 'get_' } },
        { index: 0, function: { name: 'weather' } },
      ],
    ],
    [
      'in pieces, with the id',
      [
        { id: '1', function: { name: 'get_' } },
        { id: '1', function: { name: 'weather' } },
      ],
    ],
    [
      'longer each time',
      [
        { index: 0, function: { name: 'get_' } },
        { index: 0, function: { name: 'get_weather' } },
      ],
    ],
    [
      'again and again',
      [
        { index: 0, function: { name: 'get_weather' } },
        { index: 0, function: { name: 'get_weather' } },
      ],
    ],
    [
      'after nothing',
      [null, { index: 0, id: '1', function: { name: null } }, { index: 0, function: { name: 'get_weather' } }],
    ],
  ])('whose name comes %s are one', (_name, pieces) => {
    const { actions, events } = fold([
      ...pieces.map((piece) => calls(piece as Record<string, unknown>)),
      calls({ index: 0, function: { arguments: '{}' } }),
      finish('tool_calls'),
    ]);
    expect(actions[0]?.calls).toMatchObject([{ name: 'get_weather', arguments: '{}' }]);
    expect(events.filter(({ type }) => type === 'call')).toMatchObject([{ name: 'get_weather' }]);
  });

  it.each([[''], ['  '], [null], [undefined], [{}]])('without parameters, %j, have an empty object', (args) => {
    const { actions, events } = fold([
      calls({ index: 0, id: '1', function: { name: 'now', arguments: args } }),
      finish('tool_calls'),
    ]);
    expect(JSON.parse(actions[0]?.calls[0]?.arguments ?? '')).toEqual({});
    const told = events.map((event) => (event.type === 'arguments' ? event.text : '')).join('');
    expect(told).toBe(actions[0]?.calls[0]?.arguments);
  });

  it('in the legacy form are calls too', () => {
    const { actions } = fold([
      chunk({ delta: { function_call: { name: 'a', arguments: '{"x"' } } }),
      chunk({ delta: { function_call: { arguments: ':1}' } } }),
      finish('function_call'),
    ]);
    expect(actions[0]).toMatchObject({ finishReason: 'tool_calls', calls: [{ name: 'a', arguments: '{"x":1}' }] });
  });

  it('keep long integers of arguments that are an object', () => {
    const made = calls({ index: 0, function: { name: 'a' } }).replace(
      '"name":"a"',
      '"name":"a","arguments":{"id":12345678901234567890}',
    );
    expect(one([made, finish('stop')])?.calls[0]?.arguments).toBe('{"id":12345678901234567890}');
  });

  it('that never get a name are a fault', () => {
    expect(() => fold([calls({ index: 0, id: '1', function: { arguments: '{}' } }), finish('stop')])).toThrow(
      /without a name/,
    );
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

describe('what is said in other forms', () => {
  const kept = (...chunks: readonly string[]): Action | undefined =>
    one([...chunks, finish('stop')], { keepsTurns: true });

  it('a content of parts is text and reasoning, and goes back as it came', () => {
    const action = kept(
      chunk({ delta: { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Let ' }] }] } }),
      chunk({ delta: { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'me.' }] }] } }),
      chunk({ delta: { content: 'It ' } }),
      chunk({ delta: { content: [{ type: 'text', text: 'is.' }] } }),
    );
    expect(action).toMatchObject({ text: 'It is.', reasoning: 'Let me.' });
    expect(action?.native?.message).toEqual({
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'Let me.' }] },
        { type: 'text', text: 'It is.' },
      ],
    });
  });

  it.each<[string, readonly Record<string, unknown>[], Record<string, unknown>]>([
    ["DeepSeek's", [{ reasoning_content: 'h' }, { reasoning_content: 'm' }], { reasoning_content: 'hm' }],
    [
      "OpenRouter's",
      [
        { reasoning: 'h', reasoning_details: [{ type: 'reasoning.text', text: 'h', index: 0 }] },
        { reasoning: 'm', reasoning_details: [{ type: 'reasoning.text', text: 'm', index: 0, signature: 'S' }] },
        { reasoning_details: [{ type: 'reasoning.encrypted', data: 'E', index: 1 }] },
      ],
      {
        reasoning: 'hm',
        reasoning_details: [
          { type: 'reasoning.text', text: 'hm', index: 0, signature: 'S' },
          { type: 'reasoning.encrypted', data: 'E', index: 1 },
        ],
      },
    ],
    [
      "LiteLLM's",
      [
        { reasoning_content: 'hm', thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: '' }] },
        { thinking_blocks: [{ type: 'thinking', thinking: '', signature: 'S' }] },
        { thinking_blocks: [{ type: 'redacted_thinking', data: 'R' }] },
      ],
      {
        reasoning_content: 'hm',
        thinking_blocks: [
          { type: 'thinking', thinking: 'hm', signature: 'S' },
          { type: 'redacted_thinking', data: 'R' },
        ],
      },
    ],
  ])('%s reasoning is read, and kept under its own names', (_name, deltas, message) => {
    const action = kept(...deltas.map((delta) => chunk({ delta })), chunk({ delta: { content: 'x' } }));
    expect(action).toMatchObject({ text: 'x', reasoning: 'hm' });
    expect(action?.native).toEqual({ message, calls: {} });
  });

  it('a refusal is text that says it is one', () => {
    const { actions, events } = fold([
      chunk({ delta: { content: null, refusal: 'I ' } }),
      chunk({ delta: { refusal: 'cannot.' } }),
      finish('stop'),
    ]);
    expect(actions[0]?.text).toBe('I cannot.');
    expect(events.filter(({ type }) => type === 'text')).toEqual([
      { type: 'text', index: 0, text: 'I ', refusal: true },
      { type: 'text', index: 0, text: 'cannot.', refusal: true },
    ]);
  });

  it('what comes beside text is an event, once where a server repeats it', () => {
    const told: string[] = [];
    const { events } = fold(
      [
        chunk({ delta: { content: 'x' } }, { citations: ['https://a'] }),
        chunk(
          { delta: { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] } },
          { citations: ['https://a'] },
        ),
        chunk({ delta: { audio: { id: 'a', transcript: 'spoken' } } }),
        finish('stop'),
      ],
      { keepsTurns: false, beside: (names) => told.push(...names) },
    );
    expect(told).toEqual(['citations', 'images', 'audio']);
    expect(events.filter(({ type }) => type === 'beside')).toHaveLength(3);
    expect(events).toContainEqual({ type: 'text', index: 0, text: 'spoken' });
  });

  it.each([
    ['a text beside no delta', { delta: undefined, text: 'x' }],
    ['a list of texts', { delta: { content: ['x'] } }],
    ["the Responses API's part", { delta: { content: [{ type: 'output_text', text: 'x' }] } }],
  ])('%s is read', (_name, choice) => {
    expect(one([chunk(choice), finish('stop')])?.text).toBe('x');
  });
});

describe('an answer that is too large', () => {
  const limit = { maxBytes: 10_000 };
  it.each<[string, string]>([
    ['of text', chunk({ delta: { content: 'x'.repeat(99) } })],
    ['of two-byte characters', chunk({ delta: { content: '\u00e9'.repeat(50) } })],
    ['of small deltas', chunk({ delta: { content: 'x' } })],
    ['of reasoning', chunk({ delta: { reasoning: 'x'.repeat(99) } })],
    ['of arguments', calls({ index: 0, id: '1', function: { name: 'a', arguments: 'x'.repeat(99) } })],
    ['of calls', calls({ id: '', index: -1, function: {} })],
    ['of names', calls({ index: 0, function: { name: 'abc' } }, { index: 0, function: { name: 'd' } })],
    ['of fields nobody knows', chunk({ delta: { reasoning_details: [{ type: 'a', data: 'x'.repeat(99) }] } })],
    ['of images', chunk({ delta: { images: [{ url: 'x'.repeat(99) }] } })],
    ['of token ids', chunk({ token_ids: Array(20).fill(1) })],
    [
      'of several choices',
      JSON.stringify({ choices: [0, 1].map((index) => ({ index, delta: { content: 'x'.repeat(50) } })) }),
    ],
  ])('%s is a fault', (_name, data) => {
    const asked = { ...limit, keepsTurns: true };
    expect(() => fold(Array(3_000).fill(data), asked)).toThrow(/an answer larger than 10000 bytes/);
    expect(() => fold([data, data], asked)).toThrow(/without a finish reason/);
  });
});
