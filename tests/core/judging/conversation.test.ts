import { expect, test } from 'vitest';

import { conversationId, openingWords, isInShare } from '../../../src/core/judging/conversation.js';
import type { Message } from '../../../src/core/message.js';

const user = (content: Message['content']): Message => ({ role: 'user', content: content ?? '' });

test('another system prompt, case, spacing and worked examples are the same conversation', () => {
  const words = openingWords([user('What is  the weather?')]);
  expect(words).toBe('what is the weather?');
  for (const messages of [
    [{ role: 'system', content: 'Be kind.' } as const, user(' WHAT is\nthe weather?\n')],
    [user('And the time?'), { role: 'assistant', content: 'Noon.' } as const, user('What is the weather?')],
    [user([{ type: 'text', text: 'What is the weather?' }])],
    [user('What is the weather?'), user([{ type: 'image_url' }])],
  ])
    expect(openingWords(messages)).toBe(words);
  expect(openingWords([user('What is the time?')])).not.toBe(words);
});

test('a conversation without words is none', () => {
  expect(openingWords([])).toBeUndefined();
  expect(openingWords([user('  ')])).toBeUndefined();
  expect(openingWords([user([{ type: 'image_url' }])])).toBeUndefined();
});

test('long beginnings are told apart by their ends, too', () => {
  const long = 'x'.repeat(50_000);
  expect(openingWords([user(`${long} one`)])).not.toBe(openingWords([user(`${long} two`)]));
});

test('a share is about as large as it says, and another for each purpose and salt', () => {
  const ids = (salt: string): string[] => Array.from({ length: 4_000 }, (_, at) => conversationId(salt, `words ${at}`));
  const held = ids('salt').map((id) => isInShare(id, 'held out', 0.05));
  const share = held.filter(Boolean).length / held.length;
  expect(share).toBeGreaterThan(0.035);
  expect(share).toBeLessThan(0.065);
  expect(ids('other').map((id) => isInShare(id, 'held out', 0.05))).not.toEqual(held);
  expect(ids('salt').map((id) => isInShare(id, 'canary', 0.05))).not.toEqual(held);
  // Whoever is in a share is in every larger one.
  expect(ids('salt').every((id, at) => held[at] !== true || isInShare(id, 'held out', 0.2))).toBe(true);
  expect(ids('salt').some((id) => isInShare(id, 'held out', 0))).toBe(false);
});
