/** Prompt files: those that come with Gyre, and the faults of a user's own. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { PROMPTS, readPrompt } from '../../../src/judge/model/prompt.js';

const file = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'gyre-prompt-')), 'mine.md');
  writeFileSync(path, text);
  return path;
};

test.each(PROMPTS)('the prompt %s is there, with all that it is filled with', (name) => {
  const { system, user } = readPrompt(name);
  expect(system).toContain('{{mark}}');
  for (const slot of ['mark', 'conversation', 'action']) expect(user).toContain(`{{${slot}}}`);
});

test("a user's own is read with either kind of line", () => {
  expect(readPrompt(file('Be strict.\r\n=== user\r\n{{mark}}{{action}}{{mark}}'))).toEqual({
    system: 'Be strict.',
    user: '{{mark}}{{action}}{{mark}}',
  });
});

test.each([
  ['no part for the user', 'Be strict {{mark}} {{action}}', '=== user'],
  ['two parts for the user', 'a\n=== user\n{{mark}}{{action}}\n=== user\nb', '=== user'],
  ['a place that there is not', '=== user\n{{mark}}{{acton}}', '{{action}}'],
  ['no place for the action', '=== user\n{{mark}}', '{{action}}'],
  ['no mark', '=== user\n{{action}}', '{{mark}}'],
])('a prompt with %s is refused with what to do', (_, text, words) => {
  expect(() => readPrompt(file(text))).toThrow(words);
});

test('one that is not there is refused with those that are', () => {
  expect(() => readPrompt('/nowhere/mine.md')).toThrow('process, reward, outcome');
});
