/**
 * Pruning: what is older than it is to be kept, or what makes the log too large, is taken out in short transactions, so
 * that no answer waits for them. Each leaves a row that says what went and why, and the ledger has its hash.
 */
import { idsFrom } from '../../core/ids.js';
import type { Retention } from '../../core/config.js';
import { prepared, type Db } from '../file/db.js';
import { savePruning } from '../file/prunings.js';
import { emptyBatches } from '../read/remove.js';
import { type Candidate, Choice, folderOf, IS_SERVED, recordedNow, SPARED_MS } from './choose.js';
import { usedBytes } from './shrink.js';
import { takeOut } from './take_out.js';

export const DAY_MS = 86_400_000;
const GIB = 1024 ** 3;
/** A log in which nothing was said for so long before what stays of it may be read by a clock that is wrong. */
const DOUBT_MS = 366 * DAY_MS;
/** Trajectories and milliseconds of one transaction. */
const MOST = 64;
const SLICE_MS = 15;

/** What went in one transaction, or would go. */
export interface Pruned {
  readonly trajectories: number;
  readonly steps: number;
  /** Batches whose tokens went. */
  readonly batches: number;
}

export class Pruner {
  readonly #db: Db;
  readonly #retention: Retention;
  readonly #now: () => number;
  readonly #choice: Choice;
  readonly #passes: Generator<Pass>;
  readonly #sure: boolean;

  /** `sure`: a person says that the clock is right. */
  constructor(db: Db, retention: Retention, now: () => number = Date.now, sure = false) {
    this.#sure = sure;
    this.#db = db;
    this.#retention = retention;
    this.#now = now;
    this.#choice = new Choice(db, retention.keep);
    this.#passes = this.#all();
  }

  /** Why nothing goes for its age, where that may be the clock's; undefined where it goes. */
  get doubt(): string | undefined {
    const { days } = this.#retention;
    if (days === undefined || this.#sure) return undefined;
    const now = this.#now();
    const from = idsFrom('traj', now - days * DAY_MS);
    const at = (which: string): number | undefined =>
      prepared<[string], { at: number }>(this.#db, `SELECT created_at AS at FROM trajectories WHERE id ${which}`).get(
        from,
      )?.at;
    const old = at('< ? ORDER BY id DESC LIMIT 1');
    if (old === undefined) return undefined;
    const next = at('>= ? ORDER BY id LIMIT 1') ?? now;
    if (next - old < DOUBT_MS) return undefined;
    const [day, today] = [old, now].map((time) => new Date(time).toISOString().slice(0, 10));
    return (
      `the clock says ${today}, and between ${day} and what would stay nothing was said for more than a year: ` +
      `nothing is pruned for its age. If the clock is right, say so once: gyre prune --days ${days}`
    );
  }

  /** The next transaction, which may find that nothing may go; undefined when there is nothing left to prune. */
  slice(): Pruned | undefined {
    const next = this.#passes.next();
    return next.done === true ? undefined : next.value();
  }

  /** What would be pruned; of the size only an estimate, by the steps' average. */
  preview(): Pruned {
    const { gib } = this.#retention;
    const days = this.doubt === undefined ? this.#retention.days : undefined;
    const all = prepared<[], { rows: number }>(this.#db, 'SELECT count(*) AS rows FROM steps').get()?.rows ?? 0;
    const perStep = usedBytes(this.#db) / Math.max(1, all);
    let over = gib === undefined ? 0 : usedBytes(this.#db) - gib * GIB;
    let [trajectories, steps] = [0, 0];
    for (const candidate of this.#choice.all(this.#now() - SPARED_MS)) {
      const old = days !== undefined && candidate.newest < this.#now() - days * DAY_MS;
      if (!old && over <= 0) {
        if (days === undefined) break;
        continue;
      }
      trajectories += 1;
      steps += candidate.steps;
      over -= candidate.steps * perStep;
    }
    return { trajectories, steps, batches: days === undefined ? 0 : this.#oldBatches(days).length };
  }

  *#all(): Generator<Pass> {
    const { days, gib } = this.#retention;
    if (days !== undefined && this.doubt === undefined) {
      const before = this.#now() - days * DAY_MS;
      yield* this.#trajectories(Math.min(before, this.#now() - SPARED_MS), `older than ${days} days`);
      for (const id of this.#oldBatches(days)) yield () => this.#emptied(id);
    }
    if (gib !== undefined)
      yield* this.#trajectories(
        this.#now() - SPARED_MS,
        `the log was larger than ${gib} GiB`,
        () => usedBytes(this.#db) <= gib * GIB,
      );
  }

  *#trajectories(before: number, reason: string, isEnough: () => boolean = () => false): Generator<Pass> {
    const candidates = this.#choice.all(before);
    for (let ended = false; !ended && !isEnough();) {
      const some: Candidate[] = [];
      const recorded = recordedNow(folderOf(this.#db));
      while (some.length < MOST) {
        const next = candidates.next();
        ended = next.done === true;
        if (next.done === true) break;
        if (!recorded.has(next.value.id)) some.push(next.value);
      }
      // What one transaction had no time for is left for the next.
      while (some.length > 0 && !isEnough()) yield () => this.#taken(some, before, reason, isEnough);
    }
  }

  /** Takes out the first of `some`, as many as there is time for, and removes them from the list. */
  #taken(some: Candidate[], before: number, reason: string, isEnough: () => boolean): Pruned {
    const pruned = new Map<string, string[]>();
    let done = 0;
    const at = this.#now();
    this.#db.transaction(
      (tx) => {
        const until = performance.now() + SLICE_MS;
        for (const { id } of some) {
          if (this.#choice.still(id, before)) takeOut(this.#db, tx, id, pruned, at);
          done += 1;
          if (performance.now() > until || isEnough()) break;
        }
        if (pruned.size > 0) savePruning(tx, reason, pruned, at);
      },
      { behavior: 'immediate' },
    );
    some.splice(0, done);
    const count = (table: string): number => pruned.get(table)?.length ?? 0;
    return { trajectories: count('trajectories'), steps: count('steps'), batches: 0 };
  }

  /** Batches that are over and as old, whose tokens are still there. */
  #oldBatches(days: number): string[] {
    const kept = this.#retention.keep.includes('trained')
      ? `b.state = 'applied'`
      : this.#retention.keep.includes('promoted')
        ? IS_SERVED
        : '0';
    return prepared<[number], { id: string }>(
      this.#db,
      `SELECT b.id FROM batches b WHERE b.state IN ('applied', 'failed') AND b.created_at < ?
        AND b.note NOT LIKE 'emptied: %' AND NOT (${kept}) ORDER BY b.id`,
    )
      .all(this.#now() - days * DAY_MS)
      .map(({ id }) => id);
  }

  #emptied(id: string): Pruned {
    this.#db.transaction((tx) => emptyBatches(tx, [id], this.#now(), 'emptied: it is old'), { behavior: 'immediate' });
    return { trajectories: 0, steps: 0, batches: 1 };
  }
}

type Pass = () => Pruned;
