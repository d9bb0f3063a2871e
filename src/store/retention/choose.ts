/** Which trajectories may be pruned: the oldest first, without those that are kept or in use, by whichever policy. */
import { dirname, join } from 'node:path';

import Database from 'better-sqlite3';

import type { Kept } from '../../core/config.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import { alive, type ProcessId } from '../../core/running/process.js';
import { prepared, type Db } from '../file/db.js';

/** Nothing that was added to so lately is pruned, however large the log: somebody may be about to go on from it. */
export const SPARED_MS = 60 * 60_000;
const PAGE = 256;

export interface Candidate {
  readonly id: string;
  /** Milliseconds since 1970: when its newest request came. */
  readonly newest: number;
  readonly steps: number;
}

/** In SQL: whether a step of the trajectory `t` is in a batch `i` of these. */
const inBatch = (which: string): string =>
  `EXISTS (SELECT 1 FROM steps s CROSS JOIN batch_items i ON i.step_id = s.id
    WHERE s.trajectory_id = t.id AND ${which})`;

/** Batches that a version was made of which serves or has served, or which such a version goes back to. */
const SERVED = `i.batch_id IN (
  WITH RECURSIVE served (policy, version) AS (
    SELECT coalesce(policy, '${GYRE_POLICY}'), version FROM decisions
      WHERE kind IN ('promotion', 'rollback') AND passed
    UNION SELECT v.policy, coalesce(v.copy_of, v.parent) FROM versions v JOIN served
      ON (v.policy, v.version) = (served.policy, served.version) WHERE coalesce(v.copy_of, v.parent) IS NOT NULL)
  SELECT v.batch_id FROM versions v JOIN served ON (v.policy, v.version) = (served.policy, served.version)
    WHERE v.batch_id IS NOT NULL)`;

const IS_KEPT: Readonly<Record<Kept, string>> = {
  promoted: inBatch(SERVED),
  trained: inBatch(`i.batch_id IN (SELECT id FROM batches WHERE state = 'applied')`),
  labelled: `(EXISTS (SELECT 1 FROM feedback f WHERE f.trajectory_id = t.id)
    OR EXISTS (SELECT 1 FROM labels l WHERE l.trajectory_id = t.id))`,
};

/** What a running cycle has taken up, or what is on its way to the trainer. */
const IN_USE = `EXISTS (SELECT 1 FROM steps s CROSS JOIN cycle_steps c ON c.step_id = s.id
    CROSS JOIN cycles y ON y.id = c.cycle_id WHERE s.trajectory_id = t.id AND y.state = 'running')
  OR ${inBatch(`i.batch_id IN (SELECT id FROM batches WHERE state IN ('assembled', 'sent'))`)}`;

/**
 * Of the newest step. Its response says it at less cost: a step's own time stands behind its tokens, whose pages would
 * all be read.
 */
const newest = (join: string, field: string): string =>
  `(SELECT ${field} FROM steps s ${join} WHERE s.trajectory_id = t.id ORDER BY s.idx DESC LIMIT 1)`;

const FIELDS = `t.id, t.created_at AS created,
  coalesce(${newest('CROSS JOIN responses r ON r.id = s.response_id', 'r.created_at')},
    ${newest('', 's.started_at')}, t.created_at) AS newest,
  (SELECT count(*) FROM steps s WHERE s.trajectory_id = t.id) AS steps`;

/** A batch whose version serves or has served, in SQL. */
export const IS_SERVED = SERVED.replace('i.batch_id', 'b.id');

export class Choice {
  readonly #db: Db;
  readonly #spared: string;

  constructor(db: Db, keep: readonly Kept[]) {
    this.#db = db;
    this.#spared = [IN_USE, ...keep.map((which) => IS_KEPT[which])].map((sql) => `(${sql})`).join(' OR ');
  }

  /** Those whose newest step began before `before`, oldest first; ids sort by time, so that it ends early. */
  *all(before: number): Generator<Candidate> {
    const page = prepared<[string], Candidate & { readonly created: number }>(
      this.#db,
      `SELECT ${FIELDS}, (${this.#spared}) AS spared FROM trajectories t WHERE t.id > ? ORDER BY t.id LIMIT ${PAGE}`,
    );
    for (let after = ''; ;) {
      const rows = page.all(after) as (Candidate & { readonly created: number; readonly spared: 0 | 1 })[];
      for (const { created, spared, ...candidate } of rows) {
        if (created >= before) return;
        if (spared === 0 && candidate.newest < before) yield candidate;
      }
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  /** Whether it still may be, inside the transaction that takes it out. */
  still(id: string, before: number): boolean {
    const row = prepared<[string], { readonly newest: number; readonly spared: 0 | 1 }>(
      this.#db,
      `SELECT ${FIELDS}, (${this.#spared}) AS spared FROM trajectories t WHERE t.id = ?`,
    ).get(id);
    return row?.spared === 0 && row.newest < before;
  }
}

/** Trajectories in which a gateway records just now: to one of them a step may come that no row tells of yet. */
export function recordedNow(dataDir: string): ReadonlySet<string> {
  try {
    const db = new Database(join(dataDir, 'recordings.db'), { readonly: true, fileMustExist: true, timeout: 1_000 });
    try {
      const rows = db
        .prepare<[], ProcessId & { id: string }>(
          'SELECT trajectory_id AS id, pid, start_time AS startTime FROM recordings',
        )
        .all();
      return new Set(rows.filter(alive).map(({ id }) => id));
    } finally {
      db.close();
    }
  } catch {
    return new Set(); // no gateway has served the folder
  }
}

export function folderOf(db: Db): string {
  return dirname(db.$client.name);
}
