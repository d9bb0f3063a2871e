import { expect, test } from 'vitest';

import { contains } from '../../../../src/judge/rules/answers/contains.js';

test.each([
  ['156', '156', true],
  ['156.0', '156', true],
  ['It has 1,156 inhabitants.', '1156', true],
  ['It has 16 inhabitants.', '16', false],
  ['It lies on the Orvenna.', 'Orvenna', true],
  // A list of every number there is has found none of them.
  ['[154, 155, 156, 157]', '156', false],
  ['154 155 156', '156', false],
  ['[[155], [156]]', '156', false],
  ['[156, 156]', '156', true],
  ['[100, 101, 102]', 'Orvenna', false],
] as const)('that "%s" gives %s is %s', (result, accepted, is) => {
  expect(contains(result, [accepted])).toBe(is);
});
