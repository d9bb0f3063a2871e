/** Comparisons by a judge: what both orders say, what a judge that errs shows, and a decision that is come to again. */
import { describe, expect, it, test } from 'vitest';

import { look } from '../../src/promote/look.js';
import { mostSeen, seenOf } from '../../src/promote/judge_error.js';
import { outcomeOf } from '../../src/promote/outcome.js';
import { type GatePlan, livePlan, seenMargin, sequential } from '../../src/promote/plan.js';
import { pairOf, preferred } from '../../src/promote/preference.js';
import { recompute } from '../../src/promote/recompute.js';
import { pairs } from './pairs.js';

const ERROR = { falseAccept: 0.1, falseReject: 0.15, n: 400 };

function plan(margin = 0, candidate = 1, unused = 400): GatePlan {
  const made = livePlan(candidate, unused, 1024, { margin, error: ERROR });
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

describe('a plan', () => {
  it('is that of the gate, at half its level', () => {
    const { alpha, alphaTotal, ...same } = sequential(3, 400);
    expect(plan(0, 3)).toMatchObject({ ...same, test: 'live-e/1', alphaTotal: alphaTotal / 2 });
    expect(plan(0, 3).alpha).toBeCloseTo(alpha / 2, 12);
  });

  it('is none where there are too few conversations, or a judge that sees hardly anything', () => {
    expect(livePlan(1, 90, 1024, { margin: 0, error: ERROR })).toMatch(/^90 held-out conversations .* 128 at least$/);
    expect(livePlan(1, 400, 1024, { margin: 0, error: { falseAccept: 0.5, falseReject: 0.4, n: 400 } })).toMatch(
      /sees 10 % of a difference/,
    );
  });

  it('takes a margin for what the judge may see of it at most', () => {
    expect(seenOf(ERROR)).toBeCloseTo(0.75);
    expect(mostSeen(ERROR)).toBeGreaterThan(0.75);
    expect(mostSeen({ ...ERROR, n: 20 })).toBeGreaterThan(mostSeen(ERROR));
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
  expect(live).toMatchObject({ margin, false_accept: 0.1, false_reject: 0.15, gold_items: 400, seen: 0.75 });
  expect(live?.gain.difference).toBeCloseTo(difference.difference / 0.75);
  expect(outcome.reason).toMatch(
    margin === 0
      ? /^better: in 24 of 64 held-out conversations its answer was found better, in 2 worse \(a gain of 45\.8 points/
      : /^better than by 5\.0 points: in 24 of 64/,
  );
  expect(recompute(JSON.parse(JSON.stringify(outcome.numbers)) as typeof outcome.numbers)).toEqual(outcome);
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
