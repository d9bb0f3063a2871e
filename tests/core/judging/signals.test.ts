import { expect, test } from 'vitest';

import { corrects, signalsIn, versionOf, wordOf } from '../../../src/core/judging/signals.js';

test('each signal leans one way, weakly, and names itself', () => {
  expect(wordOf(['went_on'])).toEqual({
    kind: 'verdict',
    good: true,
    score: 0.65,
    confidence: 0.3,
    rationale: 'went_on',
  });
  for (const bad of ['regenerated', 'edited', 'corrected', 'tool_failed', 'called_again'] as const)
    expect(wordOf([bad])).toMatchObject({ good: false, rationale: bad });
});

test('several are added, never to more than 0.9, and their order does not matter', () => {
  expect(wordOf(['went_on', 'tool_failed'])).toMatchObject({ good: false, confidence: 0.1 });
  expect(wordOf(['tool_failed', 'went_on'])).toEqual(wordOf(['went_on', 'tool_failed']));
  expect(wordOf(['corrected', 'regenerated', 'tool_failed'])).toMatchObject({ confidence: 0.9, good: false });
});

test('a version says which signals made it, and one of another version says none', () => {
  expect(signalsIn(versionOf(['went_on', 'edited']))).toEqual(['edited', 'went_on']);
  expect(signalsIn('0 went_on')).toEqual([]);
  expect(signalsIn('1 went_on toString made_up')).toEqual(['went_on']);
});

test.each([
  'No, that is the wrong city.',
  "That's not right",
  'that is wrong!',
  'Wrong. Try again.',
  'I meant the other one',
  'You forgot the tax',
  'Actually, I asked for euros',
  'Nein, das war etwas anderes',
])('"%s" corrects', (text) => expect(corrects(text)).toBe(true));

test.each([
  'Thanks! And what is 3 plus 4?',
  'Now do the same for Berlin',
  'Nothing else.',
  'Note that I like blue',
  'That is right',
  'Is that not right in all cases?',
  '',
])('"%s" does not', (text) => expect(corrects(text)).toBe(false));
