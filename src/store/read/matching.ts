/**
 * Trajectories that pass a filter, newest first. Where an index has those of one field in their order it is followed;
 * all else of the filter is asked of each trajectory in turn, so whoever looks may stop anywhere and go on from there.
 */
import type { TrajectoryFilter } from '../../core/reading/filters.js';
import { prepared, type Db } from '../file/db.js';
import { decidingVerdict } from '../learning/decided.js';
import { searchFor, type Work } from './search.js';

export interface Sought {
  /** Only this key's; undefined means everyone's. */
  readonly keyId?: string | undefined;
  /** An id behind which to begin. */
  readonly after?: string | undefined;
  readonly filter: TrajectoryFilter;
}

/** A trajectory that was looked at. */
export interface Looked {
  readonly id: string;
  readonly passes: boolean;
}

type Value = string | number;

/** A condition on `t`, a trajectory, and the values it has. */
interface Condition {
  readonly sql: string;
  readonly values: readonly Value[];
}

/** Ids in descending order: `SELECT column FROM rows WHERE ...`. */
interface Source extends Condition {
  readonly column: string;
  readonly rows: string;
}

const CHUNK = 256;
/** Above all ids. */
const TOP = 'traj~';
/** An id is made when a request is taken up, which is not long after it came. */
const LATE_MS = 3_600_000;

/** Every trajectory that is looked at. No statement is open while the caller has one. */
export function* matching(db: Db, { keyId, after, filter }: Sought, work: Work = { rows: 0 }): Generator<Looked, void> {
  const keys = filter.key === undefined ? undefined : keysNamed(db, filter.key);
  const { column, rows, sql, values } = sourceOf(filter, keyId, keys);
  const next = db.$client.prepare<Value[], { id: string }>(
    `SELECT DISTINCT ${column} AS id FROM ${rows} WHERE ${sql} AND ${column} < ? AND ${column} >= ?
    ORDER BY ${column} DESC LIMIT ${CHUNK}`,
  );
  const passes = conditionOf(db, filter, keyId, keys);
  const says = filter.q === undefined ? undefined : searchFor(db, filter.q, work);
  const from = filter.since === undefined ? '' : idAt(filter.since);
  const begin = filter.until === undefined ? TOP : idAt(filter.until + LATE_MS);
  let behind = after !== undefined && after < begin ? after : begin;
  for (;;) {
    const ids = next.all(...values, behind, from);
    for (const { id } of ids) {
      work.rows += 1;
      yield { id, passes: passes(id) && (says?.(id) ?? true) };
    }
    behind = ids.at(-1)?.id ?? '';
    if (ids.length < CHUNK) return;
  }
}

/**
 * Where to look. An index on some rows only is taken only where the condition for those is there word for word. A key
 * looks at its own only: what it is told to go on from must not be another's. What most have
 * (origin `live`, outcome `completed`) has no index, and is found soon.
 */
function sourceOf(
  { task, feedback, outcome, origin, version }: TrajectoryFilter,
  keyId: string | undefined,
  keys: readonly string[] | undefined,
): Source {
  const all = { column: 'id', rows: 'trajectories' };
  if (keyId !== undefined) return { ...all, ...ofKey(keyId) };
  if (task !== undefined) return { ...all, sql: 'task_id = ?', values: [task] };
  const others = { column: 'trajectory_id' };
  if (feedback !== undefined && feedback !== 'none') return { ...others, rows: 'feedback', sql: '1', values: [] };
  if (outcome !== undefined && outcome !== 'completed')
    return { ...others, rows: 'responses', sql: `outcome = ? AND outcome <> 'completed'`, values: [outcome] };
  if (origin !== undefined && origin !== 'live')
    return { ...all, sql: `origin = ? AND origin <> 'live'`, values: [origin] };
  if (version !== undefined)
    return { ...others, rows: 'steps', sql: 'policy_version = ? AND policy_version > -1', values: [version] };
  const [key] = keys ?? [];
  if (key !== undefined && keys?.length === 1) return { ...all, ...ofKey(key) };
  return { ...all, sql: '1', values: [] };
}

/** The index on keys leaves out what was asked without one, and is taken only where that is said. */
function ofKey(keyId: string): Condition {
  return { sql: keyId === '' ? 'key_id = ?' : `key_id = ? AND key_id <> ''`, values: [keyId] };
}

const KEPT = 'NOT IN (SELECT id FROM withdrawals)';

/** A column of the last step. */
function last(column: 'id' | 'response_id'): string {
  return `(SELECT s.${column} FROM steps s WHERE s.trajectory_id = t.id AND s.response_id ${KEPT}
    ORDER BY s.idx DESC LIMIT 1)`;
}

function anyStep(condition: string): string {
  return `EXISTS (SELECT 1 FROM steps s WHERE s.trajectory_id = t.id AND s.response_id ${KEPT} AND ${condition})`;
}

function anyFeedback(condition: string): string {
  return `EXISTS (SELECT 1 FROM feedback f WHERE f.trajectory_id = t.id AND f.response_id ${KEPT} AND ${condition})`;
}

const RATED = {
  good: anyFeedback('f.value > 0'),
  bad: anyFeedback('f.value < 0'),
  any: anyFeedback('1'),
  none: `NOT ${anyFeedback('1')}`,
} as const;

/** All of a filter but its text. */
function conditionOf(
  db: Db,
  { task, feedback, outcome, origin, version, good, trainable, since, until }: TrajectoryFilter,
  keyId: string | undefined,
  keys: readonly string[] | undefined,
): (id: string) => boolean {
  const conditions: Condition[] = [];
  const add = (sql: string, ...values: Value[]): unknown => conditions.push({ sql, values });
  if (keyId !== undefined) add('t.key_id = ?', keyId);
  if (keys !== undefined) add(`t.key_id IN (${keys.map(() => '?').join(', ')})`, ...keys);
  if (task !== undefined) add('t.task_id = ?', task);
  if (origin !== undefined) add('t.origin = ?', origin);
  if (since !== undefined) add('t.created_at >= ?', since);
  if (until !== undefined) add('t.created_at < ?', until);
  if (version !== undefined) add(anyStep('s.policy_version = ?'), version);
  if (outcome !== undefined)
    add(`(SELECT r.outcome FROM responses r WHERE r.id = ${last('response_id')}) = ?`, outcome);
  if (feedback !== undefined) add(RATED[feedback]);
  if (trainable !== undefined) add(`${trainable ? '' : 'NOT '}${anyStep('s.consent AND s.not_trainable IS NULL')}`);
  if (good !== undefined) {
    const said = `(${decidingVerdict('d.good', last('response_id'), last('id'))})`;
    if (good === null) add(`${said} IS NULL`);
    else add(`${said} = ?`, Number(good));
  }
  // What is found by its feedback or steps may be gone by now.
  const where = ['t.id = ?', ...conditions.map(({ sql }) => sql)].join(' AND ');
  const one = db.$client.prepare<Value[]>(`SELECT 1 FROM trajectories t WHERE ${where}`);
  const values = conditions.flatMap((condition) => condition.values);
  return (id) => one.get(id, ...values) !== undefined;
}

function keysNamed(db: Db, name: string): readonly string[] {
  const rows = prepared<[string, string], { id: string }>(db, 'SELECT id FROM keys WHERE id = ? OR name = ?').all(
    name,
    name,
  );
  if (rows.length > 0) return rows.map(({ id }) => id);
  return [name === 'none' ? '' : name];
}

/** The least id that is made at this time or later. */
function idAt(milliseconds: number): string {
  return `traj-${Math.max(0, milliseconds).toString(36).padStart(9, '0')}`;
}
