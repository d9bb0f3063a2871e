import { expect, test } from 'vitest';

import type { Candidate } from '../../src/core/learning/candidate.js';
import { keep, MAX_LAG } from '../../src/filter/filter.js';

const step: Candidate = {
  policyVersion: 3,
  consent: true,
  heldout: false,
  evaluated: false,
  finished: true,
  hasState: true,
  told: true,
  withdrawn: false,
  good: true,
  earlierGood: true,
  allGood: true,
  outcomeGood: true,
};
const reason = (
  change: Partial<Candidate>,
  ...rest: [Parameters<typeof keep>[1], Parameters<typeof keep>[2]]
): string => {
  const kept = keep({ ...step, ...change }, ...rest, 4);
  return kept.keep ? 'kept' : kept.reason;
};
const without = (...names: (keyof Candidate)[]): Candidate =>
  Object.fromEntries(
    Object.entries(step).filter(([name]) => !names.includes(name as keyof Candidate)),
  ) as unknown as Candidate;

test.each([
  [{ withdrawn: true }, 'withdrawn'],
  [{ policyVersion: undefined }, 'upstream'],
  [{ consent: false }, 'no_consent'],
  [{ heldout: true }, 'heldout'],
  [{ evaluated: true }, 'evaluation'],
  [{ finished: false }, 'unfinished'],
  [{ hasState: false }, 'no_state'],
] as const)('%o is dropped under every filter', (change, expected) => {
  for (const filter of ['none', 'process', 'outcome', 'both', 'prefix'] as const)
    expect(reason(change, filter, 'resample')).toBe(expected);
});

test('prefix keeps a sound state whose own action was wrong', () => {
  expect(reason({ good: false, allGood: false, outcomeGood: false }, 'prefix', 'resample')).toBe('kept');
  expect(reason({ earlierGood: false }, 'prefix', 'resample')).toBe('filtered');
});

test('process keeps sound steps with a wrong ending, outcome does not', () => {
  expect(reason({ outcomeGood: false }, 'process', 'resample')).toBe('kept');
  expect(reason({ outcomeGood: false }, 'outcome', 'resample')).toBe('filtered');
  expect(reason({ outcomeGood: false }, 'both', 'resample')).toBe('filtered');
  expect(reason({ allGood: false }, 'outcome', 'resample')).toBe('kept');
  expect(reason({ allGood: false }, 'both', 'resample')).toBe('filtered');
});

test('unknown is not good: a step without a verdict is unjudged, and none keeps it for resampling', () => {
  const unjudged = without('good', 'allGood', 'outcomeGood', 'earlierGood');
  expect(keep(unjudged, 'process', 'resample', 4)).toEqual({ keep: false, reason: 'unjudged' });
  expect(keep(unjudged, 'none', 'resample', 4)).toEqual({ keep: true });
  expect(keep(unjudged, 'none', 'logged', 4)).toEqual({ keep: false, reason: 'unjudged' });
});

test('a logged action must be trainable and fresh, a state need not be', () => {
  expect(reason({ notTrainable: 'cut' }, 'none', 'resample')).toBe('kept');
  expect(reason({ notTrainable: 'cut' }, 'none', 'logged')).toBe('not_trainable:cut');
  expect(keep({ ...step, policyVersion: 0 }, 'none', 'logged', MAX_LAG + 1)).toEqual({ keep: false, reason: 'stale' });
  expect(keep({ ...step, policyVersion: 0 }, 'none', 'logged', MAX_LAG)).toEqual({ keep: true });
});

test('what a teacher did is a state to draw at, and an action of nobody', () => {
  const taught = { policyVersion: undefined, taught: true };
  for (const filter of ['none', 'process', 'outcome', 'both', 'prefix'] as const) {
    expect(reason(taught, filter, 'resample')).toBe('kept');
    for (const mode of ['logged', 'sft'] as const) expect(reason(taught, filter, mode)).toBe('upstream');
  }
  expect(reason({ ...taught, hasState: false }, 'none', 'resample')).toBe('no_state');
  expect(reason({ ...taught, consent: false }, 'none', 'resample')).toBe('no_consent');
});
