/** When a cycle starts by itself, and when it does not. */
import { afterEach, expect, test, vi } from 'vitest';

import type { Cycle, CycleState } from '../../src/core/learning/cycle.js';
import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { judgeLog } from '../../src/learner/judging.js';
import { isDue, restsUntil, schedule } from '../../src/learner/schedule.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';
import { statusOf } from './counted.js';

let made: Bench | undefined;
afterEach(async () => {
  await made?.close();
  made = undefined;
});

const ended = (...states: CycleState[]): Cycle[] =>
  states.map((state, at) => ({
    ...{ id: `cyc-${9 - at}`, state, stage: 'batch', mode: 'resample', filter: 'prefix', baseVersion: 0 },
    ...{ counts: {}, note: 'it made nothing', startedAt: 0, updatedAt: 1_000_000 - at },
  }));

test.each([
  ['none before', [], 0],
  ['one that made a batch', ['done'], 0],
  ['one that made a batch after some that did not', ['done', 'failed', 'skipped'], 0],
  ['one that is left behind', ['running', 'failed'], 0],
  ['one that failed', ['failed', 'done'], 10_000],
  ['one that found nothing', ['skipped'], 10_000],
  ['two that made nothing', ['failed', 'skipped', 'done'], 20_000],
  ['four that made nothing', ['failed', 'failed', 'skipped', 'failed', 'done'], 80_000],
  ['many that made nothing', Array.from({ length: 8 }, () => 'failed'), 900_000],
] as [string, CycleState[], number][])('after %s the clock pauses as long as it says', (_, states, pause) => {
  expect(restsUntil(ended(...states))).toBe(pause === 0 ? 0 : 1_000_000 + pause);
});

test('a cycle that waits for its engine is gone on with after a pause, also where none starts by itself', async () => {
  made = await bench();
  const { learner, engine } = made;
  const list = tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]);
  await generate(learner, list, 1, 0);
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const warnings: string[] = [];
  const scheduled = schedule(learner, false, (message) => warnings.push(message));
  try {
    const looked = (): number => engine.requests.length;
    engine.script = () => ({ status: 503 });
    const waits = await scheduled.run({ heldout: [], gate: false });
    expect(waits).toMatchObject({ state: 'running', stage: 'filter' });
    const before = looked();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(looked()).toBe(before);
    engine.script = arithmetic;
    await vi.advanceTimersByTimeAsync(6_000);
    await vi.waitFor(async () => expect((await learner.rows.cycles.newest(1))[0]?.state).toBe('done'), 20_000);
    const [ended] = await learner.rows.cycles.newest(1);
    expect(ended).toMatchObject({ id: waits.id, note: expect.stringContaining('left to a later cycle') as string });
    expect(warnings).toEqual([]);
  } finally {
    await scheduled.stop();
    vi.useRealTimers();
  }
});

const PART = { trainer: true, learn: true };
const CHATS = Array.from({ length: 40 }, (_, at) => sum(`c${at}`, at + 11, at + 57));
const MINUTE = 60_000;

/** Looks of the clock for a minute, five seconds apart; a cycle runs whenever it is due. How many did. */
async function idleMinute({ learner }: Bench): Promise<number> {
  let cycles = 0;
  for (let passed = 0; passed < MINUTE; passed += 5_000) {
    await judgeLog(learner);
    if (!(await isDue(learner, Date.now() + passed))) continue;
    await runCycle(learner, { heldout: [] });
    cycles += 1;
  }
  return cycles;
}

const drawn = ({ engine }: Bench): number => engine.requests.filter(({ body }) => (body.n ?? 1) > 1).length;

test('chats of which nobody knows whether they are right are not drawn from, and the status says so', async () => {
  made = await bench();
  await generate(
    made.learner,
    tasks(
      made,
      CHATS.map(({ reference: _, ...task }) => task),
    ),
    1,
    0,
  );
  expect(await idleMinute(made)).toBe(0);
  expect(drawn(made)).toBe(0);
  expect(statusOf(made.store.db, made.learner.config, PART).waiting_for).toMatch(
    /^a judge that knows right from wrong: none has decided about any of the \d+ states that pass the filter/,
  );
  // Nor when somebody asks for a cycle: it says what it left.
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle).toMatchObject({ state: 'skipped', counts: { states: 0 } });
  expect(cycle.counts['dropped.no_judge']).toBeGreaterThan(0);
  expect(drawn(made)).toBe(0);
});

test('states of whose actions none is better than another are drawn from once by each version', async () => {
  made = await bench({
    script: () => ({ text: 'I do not know.' }),
    config: { learning: { samples: 3, min_steps: 10 } },
  });
  await generate(made.learner, tasks(made, CHATS.slice(0, 12)), 1, 0);
  expect(await idleMinute(made)).toBe(1);
  expect(drawn(made)).toBe(12);
  const { last, new_states: open, dropped } = statusOf(made.store.db, made.learner.config, PART);
  expect([last?.state, open, dropped['used']]).toEqual(['skipped', 0, 12]);
});

test('after a refused update the same states are not drawn at again at once, unless somebody asks', async () => {
  made = await bench({ config: { learning: { samples: 3, min_steps: 4 } } });
  await generate(made.learner, tasks(made, CHATS.slice(0, 4)), 1, 0);
  made.trainer.fate = 'failed';
  await judgeLog(made.learner);
  expect(await isDue(made.learner)).toBe(true);
  const first = await runCycle(made.learner, { heldout: [] });
  expect(first.state).toBe('failed');
  expect(await isDue(made.learner, first.updatedAt + 9_999)).toBe(false);
  expect(statusOf(made.store.db, made.learner.config, PART).waiting_for).toMatch(/^a pause of \d+ s to end/);
  expect(await isDue(made.learner, first.updatedAt + 10_000)).toBe(true);
  const second = await runCycle(made.learner, { heldout: [] });
  expect(second.state).toBe('failed');
  expect(await isDue(made.learner, second.updatedAt + 19_999)).toBe(false);
  made.trainer.fate = 'done';
  expect(await runCycle(made.learner, { heldout: [] })).toMatchObject({ state: 'done', counts: { states: 8 } });
  expect(new Set(made.trainer.applied.flatMap(({ actions }) => actions.map(({ id }) => id))).size).toBe(24);
});
