/** Turns to messages: one turn a side, results first, and a call that reads the same however it was spelt. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { assistantMessage } from '../../../src/core/message.js';
import { messagesOf, resent } from '../../../src/http/messages/turns.js';
import type { Turn } from '../../../src/http/messages/blocks.js';
import { messageBody } from '../../../src/core/text/hash.js';

const text = (said: string): { type: 'text'; text: string } => ({ type: 'text', text: said });
const result = (
  id: string,
  content: string | { type: 'text'; text: string }[] | undefined,
  is_error?: boolean,
): { type: 'tool_result'; tool_use_id: string; content: typeof content; is_error: boolean | undefined } => ({
  type: 'tool_result',
  tool_use_id: id,
  content,
  is_error,
});

describe('turns', () => {
  it('of one side in a row are one, its results before its words', () => {
    const turns: Turn[] = [
      { role: 'user', content: 'a' },
      { role: 'user', content: [text('b'), text('')] },
      { role: 'assistant', content: 'One ' },
      {
        role: 'assistant',
        content: [
          text('two.'),
          { type: 'tool_use', id: 'x', name: 'f', input: {} },
          { type: 'tool_use', id: 'y', name: 'g', input: { b: 1, a: [2] } },
        ],
      },
      { role: 'user', content: [text('Here:'), result('x', 'r1')] },
      { role: 'user', content: [result('y', [text('r2'), text('r3')]), text('done')] },
    ];
    expect(messagesOf([text('Be brief.'), text('Be kind.')], turns)).toEqual([
      { role: 'system', content: 'Be brief.\nBe kind.' },
      { role: 'user', content: 'a\nb' },
      {
        role: 'assistant',
        content: 'One two.',
        tool_calls: [
          { id: 'x', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'y', type: 'function', function: { name: 'g', arguments: '{"a":[2],"b":1}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'x', content: 'r1' },
      { role: 'tool', tool_call_id: 'y', content: 'r2\nr3' },
      { role: 'user', content: 'Here:\ndone' },
    ]);
  });

  it('keep instructions where they stand, and say nothing of empty ones', () => {
    expect(
      messagesOf('', [
        { role: 'user', content: 'a' },
        { role: 'system', content: 'Now briefly.' },
        { role: 'user', content: '' },
      ]),
    ).toEqual([
      { role: 'user', content: 'a' },
      { role: 'system', content: 'Now briefly.' },
      { role: 'user', content: '' },
    ]);
  });

  it('of instructions go on where the instructions of the request end', () => {
    expect(
      messagesOf('Be brief.', [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'a' },
      ]),
    ).toEqual([
      { role: 'system', content: 'Be brief.\nBe kind.' },
      { role: 'user', content: 'a' },
    ]);
  });

  it.each([
    ['boom', true, 'Error: boom'],
    ['Error: boom', true, 'Error: boom'],
    ['errors were found', true, 'Error: errors were found'],
    [undefined, true, 'Error: the tool failed and gave no reason.'],
    [undefined, undefined, ''],
    ['boom', false, 'boom'],
  ])('tell the result %j (failed: %s) as %j', (content, failed, told) => {
    expect(messagesOf(undefined, [{ role: 'user', content: [result('x', content, failed)] }])).toEqual([
      { role: 'tool', tool_call_id: 'x', content: told },
    ]);
  });
});

describe('an answer', () => {
  it('is known again by its values, whatever the spelling of its calls', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.integer({ min: 0, max: 4 }),
        (words, input, indent) => {
          const visible = assistantMessage(words, [
            { id: 'x', name: 'f', arguments: JSON.stringify(input, undefined, indent) },
          ]);
          // What a client holds of it came over the wire, and goes back over it.
          const again = JSON.parse(JSON.stringify({ type: 'tool_use', id: 'x', name: 'f', input })) as {
            type: 'tool_use';
            id: string;
            name: string;
            input: Record<string, unknown>;
          };
          const [turn] = messagesOf(undefined, [
            { role: 'assistant', content: [...(words === '' ? [] : [text(words)]), again] },
          ]);
          expect(turn === undefined ? '' : messageBody(turn)).toBe(messageBody(resent(visible)));
        },
      ),
    );
  });

  it('without calls is sent again word for word', () => {
    const visible = assistantMessage('hello', []);
    expect(resent(visible)).toBe(visible);
  });
});
