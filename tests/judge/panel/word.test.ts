/** What several judges say together, by each rule. */
import { describe, expect, test } from 'vitest';

import { together, type PanelRule, type Voice } from '../../../src/judge/panel/word.js';

const voice = (said: boolean | undefined, score?: number, accuracy?: number): Voice => ({
  judge: 'abc'[Math.round(Math.random() * 2)] ?? 'a',
  good: said,
  score,
  accuracy,
});
const [good, bad, silent] = [voice(true), voice(false), voice(undefined)];

describe.each<[PanelRule, readonly Voice[], boolean | undefined, number | undefined]>([
  ['majority', [good, good, bad], true, 2 / 3],
  ['majority', [bad, good, bad], false, 1 / 3],
  ['majority', [good, bad], undefined, undefined],
  ['majority', [good, bad, silent, silent], undefined, undefined],
  ['majority', [good, silent, silent], undefined, undefined],
  ['mean', [voice(true, 0.6), voice(false, 0.1)], false, 0.35],
  ['mean', [voice(true, 0.9), voice(false, 0.4), silent], true, 0.65],
  ['mean', [voice(true, 0.9), voice(false, 0.1)], undefined, undefined],
  ['all', [good, good], true, 1],
  ['all', [voice(true, 0.9), voice(true, 0.6)], true, 0.6],
  ['all', [good, bad, silent], false, 0],
  ['all', [good, good, silent], undefined, undefined],
  ['weighted', [voice(true, 1, 0.9), voice(false, 0, 0.6), voice(false, 0, 0.6)], true, 0.8],
  ['weighted', [voice(true, 1, 0.7), voice(false, 0, 0.7)], undefined, undefined],
  ['weighted', [voice(true, 1, 0.9), voice(false, 0)], true, 0.9],
  // Whoever is wrong more often than not is not believed the other way round.
  ['weighted', [voice(true, 1, 0.8), voice(true, 1, 0.2)], true, 0.8],
  ['weighted', [good, bad, good], undefined, undefined],
])('%s of %j', (rule, voices, says, score) => {
  test(says === undefined ? 'cannot tell' : `is ${says ? 'good' : 'bad'}`, () => {
    const said = together(voices, rule);
    expect(said.kind === 'verdict' ? said.good : undefined).toBe(says);
    if (said.kind === 'verdict') expect(said.score).toBeCloseTo(score ?? NaN, 9);
    else expect(said.reason).not.toBe('');
  });
});

test('how far they agree is its confidence, and each is named with what it said', () => {
  const voices: readonly Voice[] = [
    { judge: 'critic', good: true, score: 0.9 },
    { judge: 'other', good: false, score: 0.2 },
    { judge: 'third', good: true, score: 1 },
    { judge: 'mute' },
  ];
  expect(together(voices, 'majority')).toMatchObject({
    confidence: 2 / 3,
    rationale: '2 of 3 agree: critic good 0.90, other bad 0.20, third good 1.00',
  });
});
