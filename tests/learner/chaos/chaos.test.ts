/**
 * Learning goes on by itself. A clock is killed at every row it writes, and at the end of every stage something else
 * happens before it is started again: a rollback, a deletion, a trainer without its data, an engine that refuses. After
 * each the next cycles train, nothing was trained twice, and the log is whole.
 */
import { afterEach, expect, test } from 'vitest';

import type { Cycle } from '../../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Task } from '../../../src/core/learning/task.js';
import { weightsNear } from '../../../src/core/learning/version.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { restart, rollback } from '../../../src/learner/promoting.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory, withdrawResponse } from '../../../src/store/read/remove.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../bench.js';
import { type Death, mortal } from './mortal.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const FIRST = [sum('a', 11, 22), sum('b', 33, 44)];
const NEXT = [sum('c', 12, 23), sum('d', 34, 45)];
const LATER = [
  [sum('e', 13, 24), sum('f', 35, 46)],
  [sum('g', 14, 25), sum('h', 36, 47)],
  [sum('i', 15, 26), sum('j', 37, 48)],
];
/** Cycles after which learning must go on, whatever happened. */
const CYCLES = LATER.length;

/** Version 1 was trained and serves; then a cycle is under way that dies. */
async function killed(death: Death | undefined): Promise<{ readonly made: Bench; readonly wrote: readonly string[] }> {
  const made = (open = await bench());
  tasks(made, [...FIRST, ...NEXT, ...LATER.flat()]);
  const { rows } = made.learner;
  expect(await runCycle(made.learner, { tasks: FIRST, heldout: [] })).toMatchObject({ state: 'done' });
  await rows.decisions.add({ kind: 'promotion', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
  const { learner, wrote, dead } = mortal(made.learner, made.store.sqlite, death);
  const ran = runCycle(learner, { tasks: NEXT, heldout: [] });
  // How many slices a log is counted in is a matter of time: it may have ended before it wrote so much.
  const lived = await ran.then(
    () => wrote.length,
    (thrown: unknown) => String(thrown),
  );
  if (death === undefined || lived === wrote.length) expect(lived).toBeLessThan(death?.write ?? Infinity);
  else expect(lived).toContain('done' in death ? 'the process was killed' : 'the disk is full');
  expect(dead()).toBe(lived !== wrote.length && death !== undefined && 'done' in death);
  return { made, wrote };
}

/** Cycles until one trains; with new traffic each, as there would be. */
async function goesOn({ learner, store, trainer }: Bench): Promise<void> {
  const head = await learner.rows.versions.head();
  const ended: Cycle[] = [];
  for (const asked of LATER) {
    ended.push(await runCycle(learner, { tasks: asked, heldout: [] }));
    if ((await learner.rows.versions.head()) > head && ended.at(-1)?.state === 'done') break;
  }
  const told = ended.map(({ state, stage, note }) => `${state} at ${stage}: ${note}`).join('\n');
  expect(ended.at(-1)?.state, told).toBe('done');
  expect(ended.length, told).toBeLessThanOrEqual(CYCLES);
  expect(await learner.rows.versions.head(), told).toBeGreaterThan(head);
  expect(await learner.rows.cycles.running()).toBeUndefined();
  const trained = trainer.applied.flatMap(({ actions }) => actions.map(({ id }) => id));
  expect(new Set(trained).size, 'a sample was trained twice').toBe(trained.length);
  const numbers = trainer.applied.map((batch) => batch.target_version);
  expect(new Set(numbers).size, 'a version was trained twice').toBe(numbers.length);
  const versions = await learner.rows.versions.all();
  const drawn = store.sqlite.prepare<[string], { from: number }>(
    'SELECT policy_version AS "from" FROM samples WHERE id = ?',
  );
  for (const { base_version, actions } of trainer.applied)
    for (const { from } of actions.flatMap(({ id }) => drawn.get(id) ?? []))
      expect(weightsNear(versions, base_version, 2).has(from), 'it was drawn from other weights').toBe(true);
  expect(verify(store.db)).toMatchObject({ ok: true, problems: [] });
}

/** How many of the actions of these batches were drawn where this holds of a step. */
function drawnWhere(where: string, { store, trainer }: Bench, before: ReadonlySet<object>): number {
  const is = store.sqlite.prepare<[string]>(
    `SELECT 1 FROM samples d JOIN steps s ON s.id = d.step_id JOIN trajectories t ON t.id = s.trajectory_id
      WHERE d.id = ? AND ${where}`,
  );
  const later = trainer.applied.filter((batch) => !before.has(batch)).flatMap(({ actions }) => actions);
  expect(later.length).toBeGreaterThan(0);
  return later.filter(({ id }) => is.get(id) !== undefined).length;
}

test('killed before and after every row that a cycle writes', async () => {
  const { wrote } = await killed(undefined);
  await open?.close();
  expect(wrote.length).toBeGreaterThan(10);
  for (let write = 1; write <= wrote.length; write += 1)
    for (const done of [false, true]) {
      const { made } = await killed({ write, done });
      await goesOn(made);
      await made.close();
    }
  open = undefined;
}, 300_000);

test('where the disk is full from any row on, until there is room again', async () => {
  const { wrote } = await killed(undefined);
  await open?.close();
  for (let write = 1; write <= wrote.length; write += 1) {
    const { made } = await killed({ write, full: true });
    await goesOn(made);
    await made.close();
  }
  open = undefined;
}, 300_000);

/** What happens between a death and the next start. */
const EVENTS: Readonly<Record<string, (made: Bench) => Promise<void> | void>> = {
  'a rollback': async ({ learner }) => {
    const back = await rollback(learner, learner.trainer ?? expect.fail('no trainer'), 'asked for');
    expect(back).toMatchObject({ kind: 'rollback', copyOf: 0 });
  },
  'a deletion of what was asked': ({ store }) => {
    const rows = store.sqlite
      .prepare<[], { id: string }>("SELECT id FROM trajectories WHERE task_id IN ('c', 'd')")
      .all();
    for (const { id } of rows) removeTrajectory(store.db, GYRE_POLICY, id);
  },
  'a response that was withdrawn': ({ store }) => {
    const newest = 'SELECT id FROM responses ORDER BY rowid DESC LIMIT 1';
    withdrawResponse(store.db, store.sqlite.prepare<[], { id: string }>(newest).get()?.id ?? '', '');
  },
  'a trainer that has lost its data': async ({ learner, trainer }) => {
    trainer.forget();
    const lost = await runCycle(learner, { heldout: [] });
    expect(['skipped', 'failed'], lost.note).toContain(lost.state);
    await restart(learner, learner.trainer ?? expect.fail('no trainer'), undefined, 'asked for');
  },
  'an update that fails': async ({ learner, trainer }) => {
    trainer.fate = 'failed';
    await runCycle(learner, { heldout: [] });
    trainer.fate = 'done';
  },
  'an engine that is away': async ({ learner, engine }) => {
    engine.script = () => ({ status: 503 });
    await runCycle(learner, { tasks: [sum('away', 1, 2)], heldout: [] });
    engine.script = arithmetic;
  },
  'an engine that refuses a prompt': async ({ learner, engine }) => {
    engine.script = (request) => (request.body.n === undefined ? arithmetic(request) : { status: 400 });
    await runCycle(learner, { heldout: [] });
    engine.script = arithmetic;
  },
  'questions that are held out by now': (made) => {
    tasks(
      made,
      NEXT.map((task): Task => ({ ...task, id: `held-${task.id}`, split: 'heldout' })),
    );
  },
};

/** At which steps nothing is trained after it. */
const NEVER: Readonly<Record<string, string>> = {
  'a deletion of what was asked': "t.task_id IN ('c', 'd')",
  'a response that was withdrawn': 's.response_id IN (SELECT id FROM withdrawals)',
  'questions that are held out by now': "t.task_id IN ('c', 'd')",
};

test.each(Object.keys(EVENTS))(
  '%s at the end of every stage',
  async (name) => {
    const { wrote } = await killed(undefined);
    await open?.close();
    const ends = wrote.flatMap((verb, at) => (verb === 'cycles.move' ? [at + 1] : []));
    expect(ends.length).toBeGreaterThanOrEqual(6);
    for (const write of ends.slice(0, -1)) {
      const { made } = await killed({ write, done: true });
      const before = new Set(made.trainer.applied);
      await EVENTS[name]?.(made);
      await goesOn(made);
      const never = NEVER[name];
      if (never !== undefined) expect(drawnWhere(never, made, before), `after ${write} writes`).toBe(0);
      await made.close();
    }
    open = undefined;
  },
  120_000,
);
