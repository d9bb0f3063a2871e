/** The short way says what parsing says, or nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { PolicyEvent } from '../../../src/core/policy.js';
import { Accumulator } from '../../../src/policy/engine/accumulate.js';
import { TokenChunkReader } from '../../../src/policy/engine/token_chunk.js';

const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'base' };
const chunk = (
  text: string,
  logprob: number | undefined,
  ids: readonly number[],
  more: Record<string, unknown> = {},
): string =>
  JSON.stringify({
    ...head,
    choices: [
      {
        index: 0,
        delta: { content: text },
        logprobs:
          logprob === undefined
            ? null
            : { content: [{ token: text, logprob, bytes: [...Buffer.from(text)], top_logprobs: [] }] },
        finish_reason: null,
        token_ids: ids,
        ...more,
      },
    ],
  });

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('"', '\\', '\\"', '","logprob":', ',"bytes":[', '],"top_logprobs":[]}]}', '\n', ' '),
);

describe('the short way', () => {
  it('gives the same events and actions as parsing, for any texts, numbers and ids', () => {
    const entry = fc.record({
      text: anyText,
      logprob: fc.option(fc.double({ max: 0, min: -50, noNaN: true }), { nil: undefined }),
      ids: fc.array(fc.nat(50_000), { maxLength: 3 }),
      finish: fc.constantFrom(null, null, null, 'stop'),
    });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 10 }), (entries) => {
        const chunks = [
          ...entries.map(({ text, logprob, ids, finish }) => chunk(text, logprob, ids, { finish_reason: finish })),
          chunk('', undefined, [], { finish_reason: 'stop' }),
        ];
        const read = (spaced: boolean): unknown => {
          const events: PolicyEvent[] = [];
          const accumulator = new Accumulator({ tokenLogprobs: false, maxBytes: 1e6 });
          // One space is enough to be of no known shape, so every chunk is parsed.
          for (const data of chunks) accumulator.push(spaced ? data.replace('{', '{ ') : data, events);
          const content = events.map((event) =>
            event.type === 'text' ? { ...event, tokenIds: event.tokenIds } : event,
          );
          return { content, actions: accumulator.finish({ startedAt: 0, totalMs: 0 }) };
        };
        expect(read(false)).toEqual(read(true));
      }),
    );
  });

  it('is taken for ordinary tokens once one was parsed, with and without logprobs', () => {
    const reader = new TokenChunkReader();
    expect(reader.read(chunk('a', -0.5, [7]))).toBeUndefined();
    reader.learn(chunk('a', -0.5, [7]));
    expect(reader.read(chunk(' leap', -1.5e-7, [3]))).toEqual({ text: ' leap', tokenId: 3, logprob: -1.5e-7 });
    expect(reader.read(chunk('a', -2, [9]).replace('"content":"a"', ''))).toEqual({
      text: '',
      tokenId: 9,
      logprob: -2,
    });
    expect(reader.read(chunk('日', undefined, [3]))).toEqual({ text: '日', tokenId: 3, logprob: undefined });
  });

  it.each<[string, string]>([
    ['a call', chunk('a', -1, [1]).replace('"content":"a"', '"content":null,"tool_calls":[]')],
    ['another stream', chunk('a', -1, [1]).replace('chatcmpl-1', 'chatcmpl-2')],
    ['a finish reason', chunk('a', -1, [1], { finish_reason: 'stop' })],
    ['several tokens', chunk('a', -1, [1, 2])],
    ['no ids', chunk('a', -1, [])],
    ['an escape in its text', chunk('a"b', -1, [1])],
    [
      'alternatives',
      chunk('a', -1, [1]).replace('"top_logprobs":[]', '"top_logprobs":[{"token":"b","logprob":-2,"bytes":[98]}]'),
    ],
    ['another choice', chunk('a', -1, [1]).replace('"index":0', '"index":1')],
    ['more after its choices', chunk('a', -1, [1]).replace(/}$/, ',"usage":{"prompt_tokens":1}}')],
    ['a broken end', chunk('a', -1, [1]).slice(0, -1)],
    ['a number that is none', chunk('a', -1, [1]).replace('"logprob":-1', '"logprob":null')],
  ])('is not taken for %s', (_name, data) => {
    const reader = new TokenChunkReader();
    reader.learn(chunk('x', -1, [1]));
    expect(reader.read(data)).toBeUndefined();
  });
});

it('leaves a chunk far longer than a token to the parser', () => {
  const chunk = (token: string): string =>
    '{"id":"a","choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"token":' +
    `"${token}","logprob":-0.1,"bytes":[1],"top_logprobs":[]}]},"finish_reason":null,"token_ids":[7]}]}`;
  const reader = new TokenChunkReader();
  reader.learn(chunk('x'));
  expect(reader.read(chunk('x'))).toEqual({ text: 'x', tokenId: 7, logprob: -0.1 });
  expect(reader.read(chunk('x'.repeat(12_000_000)))).toBeUndefined();
});
