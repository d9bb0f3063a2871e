import { expect, test } from 'vitest';

import { drawnNumbers } from '../../src/batch/drawn.js';
import type { Sample } from '../../src/core/learning/sample.js';

const sample = (stepId: string, part: Partial<Sample> = {}): Sample => ({
  id: `smp-${stepId}`,
  cycleId: 'cyc-1',
  stepId,
  policyVersion: 3,
  text: 'four',
  calls: [],
  promptTokenIds: [1],
  tokenIds: [5, 6],
  logprobs: [-0.1, -0.2],
  temperature: 0.7,
  cut: false,
  createdAt: 0,
  ...part,
});
const call = (args: string): Partial<Sample> => ({ calls: [{ id: 'c1', name: 'calculator', arguments: args }] });

test('no samples have no numbers', () => {
  expect(drawnNumbers([], () => true)).toBeUndefined();
});

test('calls count where one was possible, and each state is looked up once', () => {
  const asked: string[] = [];
  const drawn = drawnNumbers(
    [sample('a', call('{"expression":"1"}')), sample('a', { tokenIds: [1, 2, 3, 4] }), sample('b'), sample('b')],
    (stepId) => {
      asked.push(stepId);
      return stepId === 'a';
    },
  );
  expect(drawn).toEqual({
    samples: 4,
    mean_length: 2.5,
    cut: 0,
    parse_failures: 0,
    repeating: 0,
    callable: 2,
    tool_call_rate: 0.5,
  });
  expect(asked).toEqual(['a', 'b']);
});

test('without a state in which a tool could be called there is no rate', () => {
  expect(drawnNumbers([sample('a')], () => false)).not.toHaveProperty('tool_call_rate');
});

test('a call that cannot be read is a failure, markup left in the text too; a call that was cut is cut', () => {
  const drawn = drawnNumbers(
    [
      sample('a', call('{"expression":')),
      sample('a', { text: 'so: <tool_call>{"name":' }),
      sample('a', { text: '<tool_call>{"na', cut: true }),
      sample('a', call('[1]')),
      sample('a', call('{}')),
    ],
    () => true,
  );
  expect(drawn).toMatchObject({ parse_failures: 3 / 5, cut: 1 / 5, tool_call_rate: 3 / 5 });
});

test('a sample repeats itself where more than half of its groups of four tokens were there before', () => {
  const said = (count: number, of: number): Partial<Sample> => ({
    tokenIds: Array.from({ length: count }, (_, at) => at % of),
  });
  const repeating = (part: Partial<Sample>): number | undefined =>
    drawnNumbers([sample('a', part)], () => true)?.repeating;
  expect(repeating(said(256, 5))).toBe(1);
  expect(repeating(said(256, 256))).toBe(0);
  // A hundred different groups of 199, and of 203.
  expect(repeating(said(202, 100))).toBe(0);
  expect(repeating(said(206, 100))).toBe(1);
  // Of a short one nobody can tell.
  expect(repeating(said(31, 2))).toBe(0);
});
