/** Agreement, held against numbers of the papers and of hand. */
import { expect, test } from 'vitest';

import { agreementOf, alphaOf, kappaOf, type Said } from '../../../src/judge/calibration/agreement.js';

const said = (
  good: boolean | undefined,
  truth: boolean,
  score = good === undefined ? undefined : Number(good),
): Said => ({
  good,
  truth,
  score,
});
const times = (n: number, one: Said): Said[] => Array.from({ length: n }, () => one);

test('accuracy, false accepts and false rejects are of those it told of, each with its interval', () => {
  const agreement = agreementOf([
    ...times(80, said(true, true)),
    ...times(20, said(false, true)),
    ...times(45, said(false, false)),
    ...times(5, said(true, false)),
    ...times(7, said(undefined, true)),
  ]);
  expect(agreement).toMatchObject({ n: 150, abstained: 7 });
  expect(agreement.accuracy.accuracy).toBeCloseTo(125 / 150);
  expect(agreement.falseAccept).toMatchObject({ accuracy: 0.1, n: 50 });
  expect(agreement.falseReject).toMatchObject({ accuracy: 0.2, n: 100 });
  // Wilson's interval of 5 of 50.
  expect(agreement.falseAccept.ci95[0]).toBeCloseTo(0.0435, 3);
  expect(agreement.falseAccept.ci95[1]).toBeCloseTo(0.2136, 3);
});

test("Cohen's kappa is that of his first kind of table, and 0 where one always says the same", () => {
  const table = (both: number, a: number, b: number, none: number): (readonly [boolean, boolean])[] => [
    ...Array.from({ length: both }, () => [true, true] as const),
    ...Array.from({ length: a }, () => [true, false] as const),
    ...Array.from({ length: b }, () => [false, true] as const),
    ...Array.from({ length: none }, () => [false, false] as const),
  ];
  expect(kappaOf(table(20, 5, 10, 15))).toBeCloseTo(0.4);
  expect(kappaOf(table(45, 15, 25, 15))).toBeCloseTo(0.1304, 3);
  expect(kappaOf(table(50, 50, 0, 0))).toBe(0);
  expect(kappaOf([])).toBe(0);
});

test("Krippendorff's alpha is that of his example of two observers and binary data", () => {
  // Computing Krippendorff's Alpha-Reliability, section A: ten subjects, alpha 0.095.
  const [a, b] = [
    [0, 1, 0, 0, 0, 0, 0, 0, 1, 0],
    [1, 1, 1, 0, 0, 1, 0, 0, 0, 0],
  ] as const;
  expect(alphaOf(a.map((word, at) => [word === 1, b[at] === 1]))).toBeCloseTo(0.095, 3);
  expect(
    alphaOf([
      [true, true],
      [false, false],
    ]),
  ).toBe(1);
  expect(alphaOf([[true, undefined], [false]])).toBeUndefined();
  expect(
    alphaOf([
      [true, true],
      [true, true],
    ]),
  ).toBeUndefined();
});

test('the reliability curve says how many are good where it is so sure, and miscalibration how far off that is', () => {
  const sure = agreementOf([...times(8, said(true, true, 0.95)), ...times(2, said(true, false, 0.95))]);
  expect(sure.curve).toEqual([{ n: 10, score: expect.closeTo(0.95) as number, good: 0.8 }]);
  expect(sure.miscalibration).toBeCloseTo(0.15);
  const edge = agreementOf([said(true, true, 1), said(false, false, 0)]);
  expect(edge.curve.map(({ n }) => n)).toEqual([1, 1]);
  expect(edge.miscalibration).toBe(0);
});

test('of a judge that told nothing nothing is said', () => {
  expect(agreementOf([said(undefined, true)])).toMatchObject({ n: 0, abstained: 1, curve: [], miscalibration: 0 });
});
