import { expect, test } from 'vitest';

import { ALARMS, type AlarmName, alarmsOf, BOUNDS } from '../../../src/core/learning/alarms.js';
import { type Drawn, updateNumbers, type UpdateNumbers } from '../../../src/core/learning/update.js';

const DRAWN: Drawn = {
  samples: 136,
  mean_length: 40,
  cut: 0,
  parse_failures: 0.05,
  callable: 136,
  tool_call_rate: 0.5,
  repeating: 0.02,
};
const HEALTHY: UpdateNumbers = {
  kl_before: 0.01,
  kl_base: 0.2,
  entropy: 0.1,
  step_scale: 1,
  ratio_mean: 1.001,
  grad_norm: 0.8,
  drawn: DRAWN,
};
const names = (now: UpdateNumbers, ...before: UpdateNumbers[]): AlarmName[] =>
  alarmsOf(now, before).map(({ name }) => name);
const drawing = (part: Partial<Drawn>): UpdateNumbers => ({ ...HEALTHY, drawn: { ...DRAWN, ...part } });

/** Tokens by their ratio: up to a half, between, up to 2 and above. */
function scattered(...tokens: number[]): UpdateNumbers {
  return { ratio_mean: 1, ratio_histogram: { edges: [0.5, 0.9, 2], tokens } };
}

test('a healthy update raises none, with numbers to compare with, without, or without any number', () => {
  expect(alarmsOf(HEALTHY, [HEALTHY])).toEqual([]);
  expect(alarmsOf(HEALTHY)).toEqual([]);
  expect(alarmsOf({}, [HEALTHY])).toEqual([]);
  expect(alarmsOf({})).toEqual([]);
});

test.each<[AlarmName, UpdateNumbers, UpdateNumbers]>([
  ['kl_before', { kl_before: 0.05 }, { kl_before: 0.051 }],
  ['kl_base', { kl_base: 1 }, { kl_base: 1.01 }],
  ['ratio_tails', scattered(20, 100, 60, 20), scattered(21, 100, 59, 20)],
  ['entropy', { entropy: 0.005 }, { entropy: 0.0049 }],
  ['ratio_mean', { ratio_mean: 1.25 }, { ratio_mean: 1.26 }],
  ['ratio_mean', { ratio_mean: 0.8 }, { ratio_mean: 0.79 }],
  ['grad_norm', { grad_norm: 100 }, { grad_norm: 101 }],
  ['length', drawing({ mean_length: 120 }), drawing({ mean_length: 121 })],
  ['length', drawing({ mean_length: 13.4 }), drawing({ mean_length: 13.3 })],
  ['tool_call_rate', drawing({ tool_call_rate: 0.02 }), drawing({ tool_call_rate: 0.01 })],
  ['tool_call_rate', drawing({ tool_call_rate: 0.98 }), drawing({ tool_call_rate: 0.99 })],
  ['parse_failures', drawing({ parse_failures: 0.2 }), drawing({ parse_failures: 0.21 })],
  ['repeated_text', drawing({ repeating: 0.1 }), drawing({ repeating: 0.11 })],
])('%s is silent at its bound and raised just beyond it', (name, at, beyond) => {
  expect(names(at, HEALTHY)).toEqual([]);
  expect(names(beyond, HEALTHY)).toEqual([name]);
});

test('where no ratio is known, none is beyond', () => {
  expect(names(scattered(0, 0, 0, 0))).toEqual([]);
  expect(names({ ratio_histogram: { edges: [1], tokens: [50, 50] } })).toEqual([]);
});

test('what compares with the update before is silent without one, and where either saw few samples', () => {
  const odd = { mean_length: 500, tool_call_rate: 0, parse_failures: 0.9 };
  expect(names(drawing(odd), HEALTHY)).toEqual(['length', 'tool_call_rate', 'parse_failures']);
  expect(names(drawing(odd))).toEqual([]);
  const few = BOUNDS.samples - 1;
  expect(names(drawing({ ...odd, samples: few, callable: few }), HEALTHY)).toEqual([]);
  expect(names(drawing(odd), drawing({ samples: few, callable: few }))).toEqual([]);
});

test('states where no tool could be called say nothing of how often one is', () => {
  expect(names(drawing({ callable: 0, tool_call_rate: undefined }), HEALTHY)).toEqual([]);
  expect(names(drawing({ callable: 20, tool_call_rate: 0 }), HEALTHY)).toEqual([]);
});

test('calling nearly always is no alarm where it came step by step, nor failing where it failed before', () => {
  expect(names(drawing({ tool_call_rate: 0.99 }), drawing({ tool_call_rate: 0.93 }))).toEqual([]);
  expect(names(drawing({ tool_call_rate: 0 }), drawing({ tool_call_rate: 0.05 }))).toEqual([]);
  expect(names(drawing({ parse_failures: 0.5 }), drawing({ parse_failures: 0.45 }))).toEqual([]);
});

test('an alarm says its number, its bound and what it means', () => {
  const [first, ...others] = alarmsOf({ ...HEALTHY, kl_base: 1.2345 }, [HEALTHY]);
  expect(others).toEqual([]);
  expect(first).toEqual({
    name: 'kl_base',
    value: 1.2345,
    bound: 1,
    reason: 'kl_base 1.23: nats a token from the base (at most 1)',
  });
  expect(ALARMS).toContain(first?.name);
});

test("an update's numbers are found among a version's metrics, and what is none of them is left", () => {
  const histogram = { edges: [0.5, 2], tokens: [1, 2, 3] };
  const metrics = { ...HEALTHY, ratio_histogram: histogram, loss: 0.1, seconds: { total: 3 }, version: 'x' };
  expect(updateNumbers(metrics)).toEqual({ ...HEALTHY, ratio_histogram: histogram });
  expect(updateNumbers({ kl_before: '0.1', ratio_histogram: null, drawn: { samples: 3 }, entropy: null })).toEqual({});
  expect(updateNumbers({ ratio_histogram: { edges: [1], tokens: [1] } })).toEqual({});
});

test('what slides a little each time is seen over the updates before, as far as it is looked back', () => {
  const rates = [0.5, 0.4, 0.3, 0.09, 0.05].map((rate) => drawing({ tool_call_rate: rate })).reverse();
  expect(names(drawing({ tool_call_rate: 0.01 }), ...rates)).toEqual(['tool_call_rate']);
  const never = drawing({ tool_call_rate: 0.05 });
  expect(
    names(drawing({ tool_call_rate: 0.01 }), ...Array<UpdateNumbers>(BOUNDS.updates).fill(never), HEALTHY),
  ).toEqual([]);
  const lengths = [40, 60, 90, 120].map((mean) => drawing({ mean_length: mean })).reverse();
  expect(names(drawing({ mean_length: 150 }), ...lengths)).toEqual(['length']);
  expect(names(drawing({ mean_length: 127 }), ...lengths)).toEqual([]);
  const repeating = [0.02, 0.05, 0.09].map((share) => drawing({ repeating: share })).reverse();
  expect(names(drawing({ repeating: 0.12 }), ...repeating)).toEqual(['repeated_text']);
});

test('text that repeated itself from the beginning is no alarm, nor where nobody counted it before', () => {
  expect(names(drawing({ repeating: 0.5 }), drawing({ repeating: 0.46 }))).toEqual([]);
  expect(names(drawing({ repeating: 0.5 }), drawing({ repeating: undefined }))).toEqual([]);
});
