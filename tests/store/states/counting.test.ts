/** Counts that are kept beside the rows are those of the rows, whatever has happened to them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { newId } from '../../../src/core/ids.js';
import type { FilterName, TrainMode } from '../../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { AssistantMessage, Message } from '../../../src/core/message.js';
import { ruleOf } from '../../../src/filter/filter.js';
import type { Store } from '../../../src/store/file/db.js';
import { addKey, changeKey } from '../../../src/store/keys/keys.js';
import { claim, unclaim } from '../../../src/store/learning/claims.js';
import { saveCycle } from '../../../src/store/learning/cycles.js';
import { saveTasks } from '../../../src/store/learning/tasks.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory, withdrawResponse } from '../../../src/store/read/remove.js';
import { DAY_MS, Pruner } from '../../../src/store/retention/prune.js';
import { fold } from '../../../src/store/states/fold.js';
import { openStates } from '../../../src/store/states/open_states.js';
import { tallyOf } from '../../../src/store/states/tally.js';
import { visited } from '../../../src/store/states/visits.js';
import { Random } from '../../../scripts/chaos/random.js';
import { answer, DONE, opened, opening, user } from '../fixture.js';

const BOUNDS = { head: 3, reuse: 2 };

function countAll(store: Store, filter: FilterName = 'prefix', mode: TrainMode = 'resample'): void {
  const rule = ruleOf(filter, mode, BOUNDS.head);
  while (fold(store.db, GYRE_POLICY, rule));
}

const rows = (store: Store, sql: string): unknown[] => store.sqlite.prepare(sql).all();

/** The counts, and what they are where everything is counted one by one. */
function counts(store: Store): readonly [kept: unknown, recounted: unknown] {
  return [
    [
      rows(store, 'SELECT key_id, reason, steps FROM candidate_counts ORDER BY 1, 2'),
      rows(
        store,
        `SELECT mode, key_id, own, known, visits, last_version, states FROM state_counts ORDER BY 1, 2, 3, 4, 5, 6`,
      ),
      rows(
        store,
        'SELECT mode, key_id, own, known, visits, states FROM visit_counts WHERE states <> 0 ORDER BY 1, 2, 3, 4, 5',
      ),
      rows(store, 'SELECT id, steps, told, first, key_id, own FROM states WHERE steps > 0 ORDER BY 1'),
      rows(store, 'SELECT key_id, cycle_id, states FROM given_states ORDER BY 1, 2'),
      rows(store, 'SELECT key_id, batch_id, items FROM given_items ORDER BY 1, 2'),
    ],
    [
      rows(store, 'SELECT key_id, reason, count(*) AS steps FROM candidates GROUP BY 1, 2 ORDER BY 1, 2'),
      rows(
        store,
        `SELECT mode, key_id, own, told > 0 AS known, visits, last_version, count(*) AS states FROM states
          WHERE steps > 0 AND set_aside IS NULL GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6`,
      ),
      rows(
        store,
        `SELECT mode, key_id, own, told > 0 AS known, visits, count(*) AS states FROM states
          WHERE steps > 0 AND set_aside IS NULL GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5`,
      ),
      rows(
        store,
        `SELECT state AS id, count(*) AS steps, sum(facts & 1) AS told,
            (SELECT f.seq FROM candidates f WHERE f.state = c.state ORDER BY f.place LIMIT 1) AS first,
            (SELECT f.key_id FROM candidates f WHERE f.state = c.state ORDER BY f.place LIMIT 1) AS key_id,
            (SELECT f.own FROM candidates f WHERE f.state = c.state ORDER BY f.place LIMIT 1) AS own
          FROM candidates c WHERE state IS NOT NULL GROUP BY state ORDER BY 1`,
      ),
      rows(
        store,
        `SELECT s.key_id, c.cycle_id, count(*) AS states FROM cycle_steps c JOIN steps s ON s.id = c.step_id
          GROUP BY 1, 2 ORDER BY 1, 2`,
      ),
      rows(
        store,
        `SELECT s.key_id, i.batch_id, count(*) AS items FROM batch_items i JOIN steps s ON s.id = i.step_id
          GROUP BY 1, 2 ORDER BY 1, 2`,
      ),
    ],
  ];
}

const CANDIDATES = `SELECT c.seq, c.key_id, c.own, c.policy_version, c.facts, c.not_trainable, c.branch_of, c.reason,
  c.place, (SELECT x.hash FROM states x WHERE x.id = c.state) AS state FROM candidates c ORDER BY c.seq`;

/** The candidates as they are, and as they are where nothing was known before. */
function candidates(store: Store, filter: FilterName): readonly [unknown, unknown] {
  countAll(store, filter);
  const before = rows(store, CANDIDATES);
  store.sqlite.exec('BEGIN; DELETE FROM candidates; DELETE FROM touched; DELETE FROM countings');
  countAll(store, filter);
  const anew = rows(store, CANDIDATES);
  store.sqlite.exec('ROLLBACK');
  return [before, anew];
}

/** A small world in which anything happens. */
class World {
  readonly #random: Random;
  readonly #keys: string[];
  readonly #talks: { readonly keyId: string; readonly messages: Message[] }[] = [];
  #cycles = 0;
  readonly #gyre = opened();

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#keys = ['', ...['ann', 'bob'].map((name) => addKey(this.store.db, { name }).key.id)];
  }

  get store(): Store {
    return this.#gyre.store;
  }

  async happens(): Promise<void> {
    const chance = this.#random.next();
    if (chance < 0.4) await this.#asks();
    else if (chance < 0.65) this.#judges();
    else if (chance < 0.7) this.#deletes();
    else if (chance < 0.73) this.#withdraws();
    else if (chance < 0.75) this.#prunes();
    else if (chance < 0.85) this.#draws();
    else if (chance < 0.88)
      changeKey(this.store.db, this.#of(this.#keys.slice(1)), { train: this.#random.next() < 0.7 });
    else if (chance < 0.9)
      saveTasks(this.store.db, [
        {
          id: `t${Math.floor(3 * this.#random.next())}`,
          messages: [user(this.#question())],
          split: 'heldout',
          metadata: {},
        },
      ]);
    else if (chance < 0.95) fold(this.store.db, GYRE_POLICY, ruleOf('prefix', 'resample', BOUNDS.head));
    else countAll(this.store);
  }

  /** Of few words and numbers, so that much of it is said again. */
  #question(): string {
    return `What is ${Math.floor(6 * this.#random.next())} and ${Math.floor(2 * this.#random.next())}?`;
  }

  async #asks(): Promise<void> {
    const talk =
      this.#talks.length > 0 && this.#random.next() < 0.5
        ? this.#of(this.#talks)
        : { keyId: this.#of(this.#keys), messages: [] };
    const messages = [...talk.messages, user(this.#question())];
    const at = Date.now() - (this.#random.next() < 0.3 ? 40 * DAY_MS : 0);
    const asker = { keyId: talk.keyId, consent: this.#random.next() < 0.9 };
    const turns = Array.from({ length: this.#random.next() < 0.3 ? 2 : 1 }, () => ({
      text: this.#of(['Yes.', 'No.']),
      prompt: [1, 2],
      ids: [3],
    }));
    const counts = this.#random.next() < 0.2;
    const { turn } = await answer(this.#gyre.log, opening(messages, { at, asker }), turns, DONE, () => {
      if (counts) countAll(this.store);
    });
    this.#talks.push({ keyId: talk.keyId, messages: [...messages, turn satisfies AssistantMessage] });
  }

  #of<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.next() * list.length)] as T;
  }

  #one(sql: string): string | undefined {
    const all = this.store.sqlite.prepare<[], { id: string }>(sql).all();
    return all.length === 0 ? undefined : this.#of(all).id;
  }

  #judges(): void {
    const kind = this.#random.next() < 0.8 ? ('step' as const) : ('trajectory' as const);
    const subjectId = this.#one(kind === 'step' ? 'SELECT id FROM steps' : 'SELECT id FROM trajectories');
    if (subjectId === undefined) return;
    const good = this.#random.next() < 0.2 ? undefined : this.#random.next() < 0.7;
    saveVerdicts(this.store.db, [
      {
        id: newId('vrd'),
        subjectKind: kind,
        subjectId,
        judge: this.#of(['reference', 'well_formed']),
        judgeVersion: String(Math.floor(4 * this.#random.next())),
        ...(good === undefined ? {} : { good, score: Number(good) }),
        rationale: '',
        createdAt: Math.floor(1_000 * this.#random.next()),
      },
    ]);
  }

  #deletes(): void {
    const id = this.#one('SELECT id FROM trajectories');
    if (id !== undefined) removeTrajectory(this.store.db, GYRE_POLICY, id);
  }

  #withdraws(): void {
    const id = this.#one('SELECT id FROM responses');
    const key = this.store.sqlite.prepare<[string], { keyId: string }>(
      'SELECT key_id AS keyId FROM responses WHERE id = ?',
    );
    if (id !== undefined) withdrawResponse(this.store.db, id, key.get(id)?.keyId ?? '');
  }

  #prunes(): void {
    const pruner = new Pruner(this.store.db, { days: 30, keep: [] }, Date.now, true);
    while (pruner.slice() !== undefined);
  }

  #draws(): void {
    const { db } = this.store;
    this.#cycles += 1;
    const id = `cyc-${String(this.#cycles).padStart(6, '0')}`;
    saveCycle(db, GYRE_POLICY, {
      ...{ id, state: 'running', stage: 'filter', mode: 'resample', filter: 'prefix', baseVersion: 0 },
      ...{ counts: {}, note: '', startedAt: 1, updatedAt: 1 },
    });
    const open = openStates(db, GYRE_POLICY, { ...BOUNDS, mode: 'resample', limit: 3, perTrajectory: 2, seed: id });
    const [first, ...same] = open.map(({ stepId }) => stepId);
    if (first === undefined) return;
    claim(db, GYRE_POLICY, id, 'resample', [{ stepId: first, same }]);
    const version = Math.floor(4 * this.#random.next());
    if (this.#random.next() < 0.2) unclaim(db, GYRE_POLICY, id);
    else if (this.#random.next() < 0.3)
      visited(db, GYRE_POLICY, [{ stepId: first, version, refused: 'it is too long' }]);
    else visited(db, GYRE_POLICY, [{ stepId: first, version, rate: this.#random.next() }]);
  }
}

test('after anything that happens the counts are those of the rows, and the candidates those of the log', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
      const world = new World(seed);
      for (let step = 0; step < 150; step += 1) {
        await world.happens();
        const [kept, recounted] = counts(world.store);
        expect(kept).toEqual(recounted);
      }
      for (const filter of ['prefix', 'process', 'outcome', 'none'] as const) {
        const [known, anew] = candidates(world.store, filter);
        expect(known).toEqual(anew);
        const [kept, recounted] = counts(world.store);
        expect(kept).toEqual(recounted);
      }
      expect(rows(world.store, 'SELECT seq FROM candidates WHERE seq NOT IN (SELECT seq FROM steps)')).toEqual([]);
      expect(
        rows(
          world.store,
          `SELECT hash FROM states x WHERE NOT EXISTS (SELECT 1 FROM steps s
            WHERE substr(s.state_tip, 4, 32) || substr(s.tool_set, 4, 32) = x.hash)`,
        ),
      ).toEqual([]);
      expect(verify(world.store.db).ok).toBe(true);
      world.store.close();
    }),
    { numRuns: 6 },
  );
}, 120_000);

test('whoever deletes everything leaves nothing of it counted', async () => {
  const { store, log } = opened();
  const asked = await Promise.all(
    ['one', 'two', 'two'].map((words) => answer(log, opening([user(words)]), [{ text: 'a', prompt: [1], ids: [3] }])),
  );
  countAll(store);
  expect(tallyOf(store.db, GYRE_POLICY, { ...BOUNDS, rule: ruleOf('prefix', 'resample', 3) })).toMatchObject({
    open: 2,
    dropped: { same_state: 1 },
  });
  for (const { recording } of asked) removeTrajectory(store.db, GYRE_POLICY, recording.trajectoryId);
  for (const table of ['candidates', 'candidate_counts', 'states', 'state_counts', 'touched', 'unanswered'])
    expect([table, rows(store, `SELECT * FROM ${table}`)]).toEqual([table, []]);
});

test('steps that were counted before their answer had ended are counted again when it has', async () => {
  const { store, log } = opened();
  const reasons = (): unknown[] => rows(store, 'SELECT reason FROM candidates');
  await answer(log, opening([user('one')]), [{ text: 'a', prompt: [1], ids: [3] }], DONE, () => {
    countAll(store);
    expect(reasons()).toEqual([{ reason: 'unfinished' }]);
  });
  countAll(store);
  expect(reasons()).toEqual([{ reason: '' }]);
  expect(rows(store, 'SELECT * FROM unanswered')).toEqual([]);
});

test('of newest steps that are deleted in any order, numbers that are given again are counted', async () => {
  const { store, log } = opened();
  const ask = async (words: string): Promise<string> =>
    (await answer(log, opening([user(words)]), [{ text: 'a', prompt: [1], ids: [3] }])).recording.trajectoryId;
  await ask('one');
  const gone = [await ask('two'), await ask('three')];
  countAll(store);
  for (const id of gone) removeTrajectory(store.db, GYRE_POLICY, id);
  await ask('four');
  countAll(store);
  expect(rows(store, 'SELECT seq FROM candidates ORDER BY seq')).toEqual([{ seq: 1 }, { seq: 2 }]);
});

test('the number of a step that was deleted is given to another, which is another candidate', async () => {
  const { store, log } = opened();
  const { recording } = await answer(log, opening([user('one')]), [{ text: 'a', prompt: [1], ids: [3] }]);
  countAll(store);
  removeTrajectory(store.db, GYRE_POLICY, recording.trajectoryId);
  await answer(log, opening([user('two')], { asker: { keyId: '', consent: false } }), [
    { text: 'b', prompt: [1], ids: [3] },
  ]);
  countAll(store);
  expect(rows(store, 'SELECT seq, reason FROM candidates')).toEqual([{ seq: 1, reason: 'no_consent' }]);
});

test('another filter is counted from what is known, in slices, and the status says how far it is', async () => {
  const { store, log } = opened();
  for (let at = 0; at < 30; at += 1)
    await answer(log, opening([user(`question ${at}`)]), [{ text: 'a', prompt: [1], ids: [3] }]);
  const tally = (filter: FilterName): ReturnType<typeof tallyOf> =>
    tallyOf(store.db, GYRE_POLICY, { ...BOUNDS, rule: ruleOf(filter, 'resample', 3) });
  expect(tally('prefix')).toMatchObject({ open: 0, counting: { done: 0, total: 0 } });
  countAll(store, 'prefix');
  expect([tally('prefix').open, tally('prefix').counting]).toEqual([30, undefined]);
  expect(tally('process').counting).toEqual({ done: 30, total: 30 });
  countAll(store, 'process');
  expect(tally('process')).toMatchObject({ open: 0, dropped: { unjudged: 30 }, counting: undefined });
});
