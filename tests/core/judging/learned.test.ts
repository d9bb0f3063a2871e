/** How many labels of a judge that is trained here are held out, and how many are lacking. */
import { expect, test } from 'vitest';

import { type HeldOut, heldOutOf, labelsToTrain, lackingLabels } from '../../../src/core/judging/learned.js';

const items = 200;
const of = (labels: number, earlier: readonly HeldOut[] = [], more: object = {}): HeldOut =>
  heldOutOf(
    { labels, items, ...more },
    earlier.map((heldOut) => ({ heldOut })),
  );
const counts = (labels: number, held = of(labels)): readonly number[] => {
  const [gold, fit] = [held.gold * labels, (held.fit - held.gold) * labels];
  return [gold, fit, labels - gold - fit].map(Math.round);
};

test('some 500 labels have the gold that is needed, and of thousands most are trained on', () => {
  expect(counts(200)).toEqual([90, 30, 80]);
  expect(counts(500)).toEqual([225, 75, 200]);
  expect(counts(1000)).toEqual([230, 100, 670]);
  expect(counts(4000)).toEqual([230, 100, 3670]);
});

test('with more labels both sides only shrink, and with labels taken back they do not grow again', () => {
  const rising = [200, 250, 400, 511, 640, 1500, 4000].map((labels) => of(labels));
  for (const [at, now] of rising.slice(1).entries()) {
    const before = rising[at] as HeldOut;
    expect(now.gold).toBeLessThanOrEqual(before.gold);
    expect(now.fit).toBeLessThanOrEqual(before.fit);
    expect(now.gold).toBeLessThan(now.fit);
  }
  expect(of(300, [of(4000), of(200)])).toEqual(of(4000));
});

test('where more gold is asked for later, what was trained on stays trained on', () => {
  const before = heldOutOf({ labels: 1000, items: 50 }, []);
  expect(of(1000, [before]).fit).toBe(before.fit);
  expect(of(1000, [before], { fixed: 0.6 })).toEqual(before);
});

test('of one that abstains often more is gold, since only what it tells counts', () => {
  expect(counts(4000, of(4000, [], { told: 0.5 }))[0]).toBe(460);
  expect(counts(4000, of(4000, [], { told: 0 }))[0]).toBe(920);
});

test('what is configured fixes the share: two thirds of it are gold', () => {
  expect(counts(1000, of(1000, [], { fixed: 0.3 }))).toEqual([200, 100, 700]);
  expect(counts(200, of(200, [], { fixed: 0.3 }))).toEqual([40, 20, 140]);
});

test('a version of an earlier build held out what it did by default', () => {
  const held = heldOutOf({ labels: 300, items }, [{}]);
  expect(held.fit).toBe(0.3);
  expect(held.gold).toBeLessThan(0.3);
});

test('what is lacking is said in labels', () => {
  const labelling = { trained: true, labels: 267, least: 200 };
  expect(lackingLabels(labelling, 200, 120)).toBe('it has 120 gold items of 200: about 180 more labels are needed');
  // No other version is made of fewer.
  expect(lackingLabels({ ...labelling, labels: 489 }, 200, 198)).toContain('about 130 more labels');
  expect(labelsToTrain({ trained: false, labels: 30, least: 200 }, 200)).toBe(
    'it is not trained yet: it has 30 labels of 200, and it may reward with about 520 at the earliest',
  );
  expect(labelsToTrain({ trained: false, labels: 30, least: 200, fixed: 0.3 }, 200)).toContain('about 1150');
  expect(labelsToTrain({ trained: false, labels: 200, least: 200 }, 200)).toContain('though it has 200 labels or more');
});
