/** What the operator's patterns match in a text, however it is spelled where it stands. */
import { expect, test } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { MARK, type Redactor, redactorOf } from '../../../src/core/text/redact.js';
import { action, call, stepOf, system, user } from '../../store/fixture.js';

const SECRET = 'sk-live-4815162342';
const PATTERNS = ['sk-live-\\d+', '[\\w.]+@[\\w.]+\\.\\w+'];

function redactor(patterns: readonly string[] = PATTERNS): Redactor {
  const made = redactorOf(patterns);
  if (made === undefined) throw new Error('no patterns');
  return made;
}

test('without patterns there is no redactor, and with some nothing is touched that does not match', () => {
  expect(redactorOf([])).toBeUndefined();
  const made = redactor();
  const messages: Message[] = [
    system('plain'),
    user('words'),
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'image_url', image_url: { url: 'data:x' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":"\\n"}' } }],
    },
  ];
  expect(made.messages(messages)).toBe(messages);
  const step = stepOf(messages, action('fine', [call('c', '1')], { reasoning: 'so', tokenIds: [1] }), {
    sampling: { stop: ['x'], logit_bias: { '48151': 1 } },
  });
  expect(made.step(step, { role: 'assistant', content: 'fine' }, false)[0]).toBe(step);
});

test(
  'texts are searched as they are read: in JSON behind its escapes, in parts as one text, and ' +
    'a pattern that matches nothing marks nothing',
  () => {
    const made = redactor([...PATTERNS, 'Z*', '^whole$']);
    expect(made.text(`two ${SECRET}, a.b@c.org`)).toBe(`two ${MARK}, ${MARK}`);
    expect(made.text('whole')).toBe(MARK);
    expect(made.text('not the whole')).toBe('not the whole');
    const escaped =
      '{"key": "\\u0073k-live-48\\u00315", "list": ["line\\none"], "inner": ' +
      `${JSON.stringify(JSON.stringify({ mail: 'a@b.org', quote: '"' }))}}`;
    expect(JSON.parse(made.text(escaped))).toEqual({
      key: MARK,
      list: ['line\none'],
      inner: JSON.stringify({ mail: MARK, quote: '"' }),
    });
    expect(made.text(`[ not JSON \\ ${SECRET}`)).toBe(`[ not JSON \\ ${MARK}`);
    const deep = `${'['.repeat(300)}"\\u0073k-live-1"${']'.repeat(300)}`;
    expect(made.text(deep)).not.toContain('sk-live');
    expect(made.text(deep)).not.toContain('\\u0073k-live');
    expect(
      made.message({
        role: 'user',
        content: [
          { type: 'text', text: 'sk-li' },
          { type: 'text', text: 've-77' },
        ],
      }),
    ).toEqual({ role: 'user', content: MARK });
    expect(
      made.message({
        role: 'user',
        content: [
          { type: 'file', file: { name: 'a@b.org' } },
          { type: 'text', text: SECRET },
        ],
      }),
    ).toEqual({
      role: 'user',
      content: [
        { type: 'file', file: { name: MARK } },
        { type: 'text', text: MARK },
      ],
    });
    expect(made.value({ 'a@b.org': 1, n: 7, none: null })).toEqual({ [MARK]: 1, n: 7, none: null });
  },
);

test('a text too much for a pattern goes whole: nothing of it is kept rather than what it should have hidden', () => {
  const text = `${'a'.repeat(10_000_000)} ${SECRET}`;
  expect(() => text.replace(/^(a|b)*?c/u, '')).toThrow(RangeError);
  expect(redactor(['^(a|b)*?c', ...PATTERNS]).text(text)).toBe(MARK);
});
