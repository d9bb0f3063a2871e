/** What a canary shows, out of conversations that were read one after the other. */
import { expect, test } from 'vitest';

import { canaryPlan, type CanaryResult, canaryResult, recomputeCanary } from '../../src/promote/canary.js';

type Went = Parameters<typeof canaryResult>[1][number];

/** Every fifth is the candidate's; scores by turn. */
function traffic(
  count: number,
  of: { readonly candidate: (at: number) => Partial<Went>; readonly serving: (at: number) => Partial<Went> },
): Went[] {
  return Array.from({ length: count }, (_, at) => {
    const arm = at % 5 === 4 ? 'candidate' : 'serving';
    return { arm, failed: false, ...of[arm](at) } as const;
  });
}
const good =
  (share: number) =>
  (at: number): Partial<Went> => ({
    score: ((at * 7919) % 100) / 100 < share ? 1 : 0,
    source: 'feedback',
  });

function decided(result: CanaryResult): Extract<CanaryResult, { decided: true }> {
  return result.decided ? result : expect.fail('nothing is decided');
}

test('a candidate that goes better is shown to be, and its row has all it takes to come to it again', () => {
  const all = traffic(2000, { candidate: good(0.9), serving: good(0.5) });
  const result = decided(canaryResult(canaryPlan(1, 512, false), all, []));
  expect(result).toMatchObject({ passed: true, numbers: { stopped: 'evidence', sources: {} } });
  expect(result.reason).toMatch(/^canary: better of \d+ conversations .* % good with the candidate/);
  expect(result.numbers.outcomes.length).toBeLessThan(2000);
  const numbers = JSON.parse(JSON.stringify(result.numbers)) as typeof result.numbers;
  expect(recomputeCanary(numbers)).toEqual(result);
});

test('one that goes worse is withdrawn, although the gate had passed it', () => {
  const all = traffic(2500, { candidate: good(0.3), serving: good(0.7) });
  const result = decided(canaryResult(canaryPlan(1, 512, true), all, []));
  expect(result).toMatchObject({ passed: false, numbers: { stopped: 'worse' } });
  expect(result.reason).toMatch(/^canary withdrawn: worse of/);
});

test('one that fails more often is withdrawn, also where nobody says a word of any answer', () => {
  const all = traffic(2500, { candidate: (at) => ({ failed: at % 2 === 0 }), serving: () => ({}) });
  const result = decided(canaryResult(canaryPlan(1, 512, true), all, []));
  expect(result).toMatchObject({ passed: false, numbers: { stopped: 'failing', compared: 0 } });
  expect(result.reason).toMatch(/conversations failed with the candidate, 0 of/);
});

test('one that is alike ends when enough are compared: promoted where the gate had passed it, else not', () => {
  const all = traffic(1000, { candidate: good(0.6), serving: good(0.6) });
  const alone = decided(canaryResult(canaryPlan(1, 100, false), all, []));
  expect(alone).toMatchObject({ passed: false, numbers: { stopped: 'max', compared: 100 } });
  const passed = decided(canaryResult(canaryPlan(1, 100, true), all, []));
  expect(passed).toMatchObject({ passed: true, numbers: { stopped: 'max' } });
  expect(passed.reason).toMatch(/^canary: no worse .* and the gate had passed it/);
});

test('one that went worse, if not by enough to be shown, is not promoted because the gate had passed it', () => {
  const all = traffic(1000, { candidate: good(0.55), serving: good(0.65) });
  const result = decided(canaryResult(canaryPlan(1, 60, true), all, []));
  expect(result).toMatchObject({ passed: false, numbers: { stopped: 'max' } });
  expect(result.numbers.difference).toBeLessThan(0);
  expect(result.reason).toMatch(/^canary withdrawn: it went worse of 60/);
});

test('where nobody says how anything went it ends all the same', () => {
  const all = traffic(2000, { candidate: () => ({}), serving: () => ({}) });
  const result = decided(canaryResult(canaryPlan(1, 40, true), all, []));
  expect(result).toMatchObject({ passed: true, numbers: { stopped: 'max', compared: 0 } });
});

test('an alarm holds a better one back', () => {
  const all = traffic(2000, { candidate: good(0.9), serving: good(0.5) });
  const result = decided(canaryResult(canaryPlan(1, 512, false), all, ['kl_before']));
  expect(result).toMatchObject({ passed: false, numbers: { stopped: 'alarm' } });
});

test('nothing is decided before something is compared', () => {
  expect(canaryResult(canaryPlan(1, 512, false), [], [])).toEqual({ decided: false, compared: 0 });
  const none = traffic(50, { candidate: () => ({}), serving: () => ({}) });
  expect(canaryResult(canaryPlan(1, 512, true), none, [])).toEqual({ decided: false, compared: 0 });
});

test('what was read after the end changes nothing', () => {
  const all = traffic(2500, { candidate: good(0.3), serving: good(0.7) });
  const whole = decided(canaryResult(canaryPlan(1, 512, true), all, []));
  const end = whole.numbers.outcomes.length;
  expect(canaryResult(canaryPlan(1, 512, true), all.slice(0, end), [])).toEqual(whole);
  expect(canaryResult(canaryPlan(1, 512, true), all.slice(0, end - 1), [])).toMatchObject({ decided: false });
});
