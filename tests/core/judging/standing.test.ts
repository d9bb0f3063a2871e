/** Which judges may reward, and the sentence that says why not. */
import { expect, test } from 'vitest';

import { type Calibration, calibrationOf, type CalibrationNumbers } from '../../../src/core/judging/calibration.js';
import { proportion } from '../../../src/core/judging/proportion.js';
import { type JudgeStanding, type PresentJudge, standingsOf } from '../../../src/core/judging/standing.js';

const BOUNDS = { items: 200, accuracy: 0.75, falseAccept: 0.15, shown: 'alone' } as const;

function numbersOf(n: number, more: Partial<CalibrationNumbers> = {}): CalibrationNumbers {
  const [right, never] = [proportion(new Array<number>(n).fill(1)), proportion(new Array<number>(n).fill(0))];
  return {
    ...{ n, abstained: 0, faults: 0, accuracy: right, falseAccept: never, falseReject: never },
    ...{ kappa: 1, curve: [], miscalibration: 0, clusters: [], authors: [], probes: [] },
    ...more,
  };
}

function calibration(judge: PresentJudge & { readonly seesAfter?: boolean }, numbers: CalibrationNumbers): Calibration {
  const { name, kind, version = '', seesAfter } = judge;
  return calibrationOf({ name, kind, version, seesAfter }, {
    gold: 'g1:g',
    source: 'labels',
    numbers,
    bounds: BOUNDS,
  } as const);
}

function standing(judge: PresentJudge, calibrations: readonly Calibration[]): JudgeStanding | undefined {
  return standingsOf({ rewards: [judge.name], judges: [judge], calibrations, bounds: BOUNDS })[0];
}

const MODEL: PresentJudge = { name: 'critic', kind: 'model', version: '1' };

test('one that puts actions in order only filters, however right it is of each alone', () => {
  const ranking = { ...MODEL, ranks: true };
  for (const made of [[], [calibration(ranking, numbersOf(240))]])
    expect(standing(ranking, made)).toMatchObject({
      mayReward: false,
      why: expect.stringContaining('no calibration measures an order') as string,
    });
  expect(standing(MODEL, [calibration(MODEL, numbersOf(240))])).toMatchObject({ mayReward: true });
});

test('one that is trained here says how many labels are lacking, and what else is', () => {
  const labelling = { trained: true, labels: 267, least: 200 };
  const learned: PresentJudge = { name: 'critic', kind: 'learned', version: '1', labelling };
  const right = standing(learned, [calibration(learned, numbersOf(120))]);
  expect(right).toMatchObject({
    mayReward: false,
    why: 'it has 120 gold items of 200: about 180 more labels are needed',
  });
  const wrong = numbersOf(120, { accuracy: proportion([0, 1]) });
  expect(standing(learned, [calibration(learned, wrong)])?.why).toMatch(/more labels are needed; its accuracy is at/);
  expect(standing(learned, [calibration(learned, numbersOf(240))])).toMatchObject({ mayReward: true });
  const untrained = { ...learned, version: 'untrained', labelling: { trained: false, labels: 12, least: 200 } };
  expect(standing(untrained, [])?.why).toMatch(/^it is not trained yet: it has 12 labels of 200/);
});

test('where no order stood in a tool output, it is said of one that may reward', () => {
  const probes = [
    { name: 'injection', tried: 50, moved: 0, bound: 2, least: 45, places: { tool: 0, user: 50 } },
  ] as const;
  expect(standing(MODEL, [calibration(MODEL, numbersOf(240, { probes }))])).toMatchObject({
    mayReward: true,
    why: expect.stringContaining('no order in a tool output was tried') as string,
  });
});
