/** What servers say in forms of their own, and how much of it. */
import { describe, expect, it } from 'vitest';

import type { Action } from '../../../src/core/policy.js';
import { calls, chunk, finish, fold, one } from './chunks.js';

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
