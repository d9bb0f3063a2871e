import { describe, expect, it } from 'vitest';

import { gatesOwn, inTurn, keptForReport, ladder, nextStep, planOf, sequential } from '../../src/promote/plan.js';

const tasks = (count: number): { id: string }[] => Array.from({ length: count }, (_, at) => ({ id: `task-${at}` }));

describe('the plan of a gate', () => {
  it('is a sequential test where there are many held-out tasks, of no more than there are', () => {
    expect(planOf(1, tasks(256))).toMatchObject({ test: 'paired-e/1', step: 32, max: 256, candidate: 1 });
    expect(planOf(3, tasks(5000))).toMatchObject({ test: 'paired-e/1', max: 1024, candidate: 3 });
    expect(planOf(1, tasks(5000), 128)).toMatchObject({ max: 128 });
  });

  it('is one test of all of the own tasks where there are few, at half the level', () => {
    const held = tasks(255);
    const plan = planOf(1, held);
    const own = gatesOwn(held).length;
    expect(plan).toMatchObject({ test: 'sign-ladder/1', step: own, max: own, alphaTotal: 0.05 });
    expect(own).toBeLessThan(255);
  });

  it('is a sentence where nothing could be shown', () => {
    expect(planOf(1, tasks(4))).toMatch(/of 4 held-out tasks \d are the gate's own.*fewer than 6/);
    expect(planOf(1, [])).toMatch(/of 0 held-out tasks/);
  });

  it('asks step by step and no more than may be asked', () => {
    expect(nextStep(sequential(1, 80), 0)).toBe(32);
    expect(nextStep(sequential(1, 80), 64)).toBe(16);
    expect(nextStep(sequential(1, 80), 80)).toBe(0);
    expect(nextStep(ladder(1, 67), 0)).toBe(67);
  });
});

describe('what is kept for the report', () => {
  it('is about a third of a small set, the same ones whatever else is in it, and nothing of a large one', () => {
    const kept = tasks(3000).filter(({ id }) => keptForReport(id));
    expect(kept.length / 3000).toBeCloseTo(1 / 3, 1);
    const small = tasks(100);
    const own = gatesOwn(small);
    expect(gatesOwn(small.slice(0, 50))).toEqual(
      own.filter(({ id }) => small.slice(0, 50).some((task) => task.id === id)),
    );
    expect(own.some(({ id }) => keptForReport(id))).toBe(false);
    expect(gatesOwn(tasks(256))).toHaveLength(256);
  });
});

describe('the turn of tasks', () => {
  it('is first of those never used, then of those that rested longest', () => {
    const order = inTurn([
      { id: 'recent', usedAt: 30 },
      { id: 'never' },
      { id: 'old', usedAt: 10 },
      { id: 'neither' },
      { id: 'middle', usedAt: 20 },
    ]).map(({ id }) => id);
    expect(new Set(order.slice(0, 2))).toEqual(new Set(['never', 'neither']));
    expect(order.slice(2)).toEqual(['old', 'middle', 'recent']);
  });

  it('mixes what a file has in order, the same way each time', () => {
    const order = inTurn(tasks(400));
    expect(inTurn([...tasks(400)].reverse())).toEqual(order);
    const firstHalf = order.slice(0, 100).filter(({ id }) => Number(id.slice(5)) < 200).length;
    expect(firstHalf).toBeGreaterThan(30);
    expect(firstHalf).toBeLessThan(70);
  });
});
