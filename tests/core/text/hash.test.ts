import fc from 'fast-check';
import { expect, test } from 'vitest';

import { canonicalJson, chain, messageBody, messageHash } from '../../../src/core/text/hash.js';
import { canonicalMessage, type Message } from '../../../src/core/message.js';

test('canonical JSON sorts keys at every depth and drops absent fields', () => {
  expect(canonicalJson({ b: 1, a: { d: undefined, c: [1, { f: 2, e: null }] } })).toBe(
    '{"a":{"c":[1,{"e":null,"f":2}]},"b":1}',
  );
});

test('what a client SDK wraps an answer in does not make another message of it', () => {
  const said: Message = { role: 'assistant', content: 'hi' };
  const echoed = {
    role: 'assistant',
    content: [{ type: 'text', text: 'hi' }],
    refusal: null,
    annotations: [],
    tool_calls: [],
  } as unknown as Message;
  expect(messageHash('', echoed)).toBe(messageHash('', said));
});

test('developer and system are the same turn to the policy', () => {
  expect(messageHash('', { role: 'developer', content: 'x' })).toBe(messageHash('', { role: 'system', content: 'x' }));
});

test('identity depends on everything before', () => {
  const [, b] = chain([
    { role: 'user', content: 'a' },
    { role: 'user', content: 'b' },
  ]);
  const [, other] = chain([
    { role: 'user', content: 'x' },
    { role: 'user', content: 'b' },
  ]);
  expect(b).not.toBe(other);
});

test('the text of a message is its canonical JSON, whichever way it is made', () => {
  const call = { id: 'c', type: 'function' as const, function: { name: 'f', arguments: '{}' } };
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (content) => {
      const messages: Message[] = [
        { role: 'user', content },
        { role: 'user', content, name: 'n' },
        { role: 'system', content },
        { role: 'developer', content },
        { role: 'user', content: [{ type: 'text', text: content }] },
        { role: 'assistant', content },
        { role: 'assistant', content, reasoning: 'r' },
        { role: 'assistant', content, tool_calls: [] },
        { role: 'assistant', content, tool_calls: [call] },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c', content },
      ];
      for (const message of messages) expect(messageBody(message)).toBe(canonicalJson(canonicalMessage(message)));
    }),
  );
});
