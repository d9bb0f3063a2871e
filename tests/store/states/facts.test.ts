import fc from 'fast-check';
import { expect, test } from 'vitest';

import { packed, unpacked } from '../../../src/store/states/facts.js';

test('whatever is known of a candidate is read from its row as it was', () => {
  const verdict = fc.constantFrom(undefined, true, false);
  const candidate = fc.record({
    policyVersion: fc.constantFrom(undefined, 0, 1, 70_000),
    taught: fc.constantFrom(undefined, true as const),
    withdrawn: fc.boolean(),
    told: fc.boolean(),
    consent: fc.boolean(),
    heldout: fc.boolean(),
    evaluated: fc.boolean(),
    finished: fc.boolean(),
    hasState: fc.boolean(),
    notTrainable: fc.constantFrom(undefined, 'redacted', 'constrained'),
    good: verdict,
    earlierGood: verdict,
    allGood: verdict,
    outcomeGood: verdict,
  });
  fc.assert(
    fc.property(candidate, (each) => {
      expect(unpacked(packed(each))).toEqual(each);
    }),
  );
});
