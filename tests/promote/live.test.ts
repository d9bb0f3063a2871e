/** Comparisons by a judge: what both orders say, what a judge that errs shows, and a decision that is come to again. */
import { describe, expect, it, test } from 'vitest';

import { look } from '../../src/promote/look.js';
import type { JudgeError } from '../../src/core/judging/live.js';
import { mostSeen, pairError, seenOf, wordError } from '../../src/promote/judge_error.js';
import { outcomeOf } from '../../src/promote/outcome.js';
import { type GatePlan, livePlan, seenMargin, sequential } from '../../src/promote/plan.js';
import { betterBy, pairOf, preferred } from '../../src/promote/preference.js';
import { recompute } from '../../src/promote/recompute.js';
import { pairs } from './pairs.js';

const ERROR = { by: 'words', falseAccept: 0.1, falseReject: 0.15, n: 400 } as const;
const PAIR_ERROR = { by: 'pairs', right: 0.8, wrong: 0.05, n: 100 } as const;

function plan(margin = 0, candidate = 1, unused = 400, error: JudgeError = ERROR): GatePlan {
  const made = livePlan(candidate, unused, 1024, { margin, error });
  return typeof made === 'string' ? expect.fail(made) : made;
}

test('only who is preferred in both orders has won: a judge that goes by the place says nothing', () => {
  expect(preferred(['first', 'second'])).toBe('won');
  expect(preferred(['second', 'first'])).toBe('lost');
  for (const place of ['first', 'second', 'tie'] as const) expect(preferred([place, place])).toBe('tied');
  expect(preferred(['first', 'tie'])).toBe('tied');
  expect(preferred(['tie', 'first'])).toBe('tied');
  expect(pairOf('s', 'won')).toEqual({ taskId: 's', candidate: true, serving: false });
  expect(pairOf('s', 'lost')).toEqual({ taskId: 's', candidate: false, serving: true });
  expect(pairOf('s', 'tied')).toEqual({ taskId: 's', candidate: true, serving: true });
});

test('good against bad is a win, and what it cannot tell of is a tie whose it is', () => {
  expect(betterBy(['good', 'bad'])).toBe('won');
  expect(betterBy(['bad', 'good'])).toBe('lost');
  for (const words of [
    ['good', 'good'],
    ['bad', 'bad'],
    ['untold', 'bad'],
    ['good', 'untold'],
    ['untold', 'untold'],
  ] as const)
    expect(betterBy(words)).toBe('tied');
  expect(pairOf('s', 'tied', ['untold', 'bad'])).toMatchObject({ candidate: true, serving: true, untold: 'candidate' });
  expect(pairOf('s', 'tied', ['good', 'untold'])).toMatchObject({ untold: 'serving' });
  expect(pairOf('s', 'tied', ['untold', 'untold'])).toMatchObject({ untold: 'both' });
  expect(pairOf('s', 'tied', ['good', 'good'])).not.toHaveProperty('untold');
});

test('what a judge sees by its words is what two words that err by themselves show of a good and a bad answer', () => {
  const { falseAccept: fa, falseReject: fr } = ERROR;
  const [right, wrong] = [(1 - fa) * (1 - fr), fa * fr];
  expect(seenOf({ by: 'pairs', right, wrong, n: 100 })).toBeCloseTo(seenOf(ERROR), 12);
});

test('how a judge compares two is known of the version that was measured, on pairs enough', () => {
  const accuracy = { accuracy: 0.9, n: 400, ci95: [0.87, 0.93] as const };
  const numbers = {
    ...{ n: 400, abstained: 0, faults: 0, accuracy, kappa: 0.8, curve: [], miscalibration: 0 },
    falseAccept: { ...accuracy, accuracy: 0.1 },
    falseReject: { ...accuracy, accuracy: 0.15 },
    ...{ clusters: [], authors: [], probes: [] },
    pairs: { version: 'c1', n: 80, right: 64, wrong: 4, faults: 0 },
  };
  expect(wordError(numbers)).toEqual(ERROR);
  expect(pairError(numbers, 'c1')).toEqual({ by: 'pairs', right: 0.8, wrong: 0.05, n: 80 });
  expect(pairError(numbers, 'c2')).toBeUndefined();
  expect(pairError({ ...numbers, pairs: { ...numbers.pairs, n: 49 } }, 'c1')).toBeUndefined();
  expect(pairError({ ...numbers, pairs: undefined }, 'c1')).toBeUndefined();
});

describe('a plan', () => {
  it('is that of the gate, at half its level', () => {
    const { alpha, alphaTotal, ...same } = sequential(3, 400);
    expect(plan(0, 3)).toMatchObject({ ...same, test: 'live-e/1', alphaTotal: alphaTotal / 2 });
    expect(plan(0, 3).alpha).toBeCloseTo(alpha / 2, 12);
  });

  it('is none where there are too few conversations, or a judge that sees hardly anything', () => {
    expect(livePlan(1, 90, 1024, { margin: 0, error: ERROR })).toMatch(/^90 held-out conversations .* 128 at least$/);
    expect(livePlan(1, 400, 1024, { margin: 0, error: { ...ERROR, falseAccept: 0.5, falseReject: 0.4 } })).toMatch(
      /sees 10 % of a difference/,
    );
  });

  it('takes a margin for what the judge may see of it at most', () => {
    expect(seenOf(ERROR)).toBeCloseTo(0.75);
    expect(mostSeen(ERROR)).toBeGreaterThan(0.75);
    expect(mostSeen({ ...ERROR, n: 20 })).toBeGreaterThan(mostSeen(ERROR));
    expect(seenOf(PAIR_ERROR)).toBeCloseTo(0.75);
    // The variance of one pair is 0.85 - 0.75 squared.
    expect(mostSeen(PAIR_ERROR)).toBeCloseTo(0.75 + 1.645 * Math.sqrt((0.2875 + 0.01) / 100), 3);
    expect(mostSeen({ ...PAIR_ERROR, n: 400 })).toBeLessThan(mostSeen(PAIR_ERROR));
    expect(seenMargin(plan(0.1))).toBeCloseTo(0.1 * mostSeen(ERROR));
    expect(seenMargin(sequential(1, 400))).toBe(0);
  });
});

test('without a margin the evidence is that of the gate, whatever the judge errs by', () => {
  const tally = { tasks: 64, wins: 20, losses: 6, answered: { candidate: 64, serving: 64 }, unanswered: 0 };
  expect(look(tally, plan()).strength).toBe(look(tally, sequential(1, 400)).strength);
  expect(look(tally, plan(0.1)).strength).toBeLessThan(look(tally, plan()).strength);
});

test.each([0, 0.05])('a decision with a margin of %d says what is truly gained, and is come to again', (margin) => {
  const outcome = outcomeOf({
    plan: plan(margin),
    pairs: pairs({ won: 24, lost: 2, both: 38 }, 'step'),
    families: [],
    alarms: [],
    asked: { judge: 'critic@1' },
  });
  if (!outcome.decided) expect.fail(outcome.reason);
  expect(outcome.passed).toBe(true);
  const { difference, live } = outcome.numbers;
  expect(live).toMatchObject({
    by: 'words',
    margin,
    false_accept: 0.1,
    false_reject: 0.15,
    gold_items: 400,
    seen: 0.75,
  });
  expect(live?.untold).toEqual({ candidate: [], serving: [] });
  expect(live?.gain.difference).toBeCloseTo(difference.difference / 0.75);
  expect(outcome.reason).toMatch(
    margin === 0
      ? /^better: in 24 of 64 held-out conversations its answer was found better, in 2 worse \(a gain of 45\.8 points/
      : /^better than by 5\.0 points: in 24 of 64/,
  );
  expect(recompute(JSON.parse(JSON.stringify(outcome.numbers)) as typeof outcome.numbers)).toEqual(outcome);
});

test('a decision by pairs, and one with answers it could not tell of, are come to again', () => {
  const all = pairs({ won: 24, lost: 2, both: 38 }, 'step');
  const ties = all.filter(({ candidate, serving }) => candidate === serving).map(({ taskId }) => taskId);
  const untold = new Map([
    [ties[0], 'candidate'],
    [ties[1], 'both'],
    [ties[2], 'serving'],
  ] as const);
  for (const error of [PAIR_ERROR, ERROR]) {
    const outcome = outcomeOf({
      plan: plan(0.02, 1, 400, error),
      pairs: all.map((pair) => ({ ...pair, ...(untold.has(pair.taskId) ? { untold: untold.get(pair.taskId) } : {}) })),
      families: [],
      alarms: [],
      asked: {},
    });
    if (!outcome.decided) expect.fail(outcome.reason);
    const { live } = outcome.numbers;
    expect(live).toMatchObject(
      error.by === 'pairs' ? { by: 'pairs', right: 0.8, wrong: 0.05, gold_pairs: 100 } : { by: 'words' },
    );
    expect(live?.untold).toEqual({ candidate: [ties[0], ties[1]], serving: [ties[1], ties[2]] });
    expect(outcome.reason).toContain('in 2 worse, of 3 the judge could not tell (a gain of');
    expect(recompute(JSON.parse(JSON.stringify(outcome.numbers)) as typeof outcome.numbers)).toEqual(outcome);
  }
});

test('a row of before it was said how a judge compares is one by its words', () => {
  const input = {
    plan: plan(),
    pairs: pairs({ won: 24, lost: 2, both: 38 }, 'step'),
    families: [],
    alarms: [],
    asked: {},
  };
  const outcome = outcomeOf(input);
  if (!outcome.decided) expect.fail(outcome.reason);
  const {
    by: _,
    untold: __,
    ...live
  } = outcome.numbers.live as Record<string, unknown> & { by: 'words'; untold: object };
  expect(recompute({ ...outcome.numbers, live })).toEqual(outcome);
});

test('one that is alike is refused as futile', () => {
  const outcome = outcomeOf({
    plan: plan(),
    pairs: pairs({ won: 15, lost: 17, both: 96 }, 'step'),
    families: [],
    alarms: [],
    asked: {},
  });
  expect(outcome).toMatchObject({ decided: true, passed: false, numbers: { stopped: 'futile' } });
  expect(outcome.reason).toMatch(/^not shown to be better: in 15 of 128 .* could hardly show more$/);
});
