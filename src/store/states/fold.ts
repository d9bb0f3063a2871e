/**
 * Candidates are counted as they come: new steps are those after a mark (`countings.steps_to`), whatever else changes a
 * trajectory notes it (`touched`, by triggers), and here the candidates of those trajectories are made anew, a few at a
 * time. A trigger on each logged step would cost the log more than a tenth of its time. Nothing is remembered beside
 * the rows, so whoever counts may stop anywhere, and several may count at once.
 */
import type { Candidate, CandidateRule } from '../../core/learning/candidate.js';
import { sha256 } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';
import { heldOutOf, type HeldOut, liveHoldoutOf } from '../learning/held_out.js';
import { candidatesIn, type Found } from './candidates.js';
import { packed, unpacked, type FactsRow } from './facts.js';
import { stateRow } from './state_row.js';

/** Trajectories that are read at once, rows whose reason is told again at once, and how long one transaction takes. */
const AT_ONCE = 100;
const RECOUNTED = 2_000;
const SLICE_MS = 40;
/** Imitation takes the first good action of a state: those that are not stand behind all that are. */
const BEHIND = 2 ** 44;

interface Counting {
  readonly mode: string;
  readonly rule: string;
  readonly heldOut: string;
  readonly tasksWritten: 0 | 1;
  readonly recountFrom: number | null;
  readonly stepsTo: number;
}

/** Counts for a short while. Returns whether there is more to count. */
export function fold(db: Db, policy: string, rule: CandidateRule): boolean {
  if (isCounted(db, policy, rule)) return false;
  return db.transaction(
    () => {
      const until = performance.now() + SLICE_MS;
      const counting = begun(db, policy, rule);
      if (counting.recountFrom !== null) recount(db, policy, rule, counting.recountFrom);
      const heldOut = heldOutOf(db);
      const done = prepared<[string, string]>(db, 'DELETE FROM touched WHERE policy = ? AND trajectory_id = ?');
      for (const { id, seq } of toCount(db, policy, counting.stepsTo)) {
        foldOne(db, policy, rule, heldOut, id);
        done.run(policy, id);
        if (seq !== undefined) counted(db, policy, seq);
        if (performance.now() >= until) break;
      }
      return !isCounted(db, policy, rule);
    },
    { behavior: 'immediate' },
  );
}

/** Changed trajectories, then those of new steps, with the newest step that is counted with each. */
function* toCount(db: Db, policy: string, from: number): Generator<{ readonly id: string; readonly seq?: number }> {
  const changed = prepared<[string], { id: string }>(
    db,
    `SELECT trajectory_id AS id FROM touched WHERE policy = ? ORDER BY trajectory_id LIMIT ${AT_ONCE}`,
  );
  const grown = prepared<[number], { id: string; seq: number }>(
    db,
    `SELECT trajectory_id AS id, seq FROM steps WHERE seq > ? ORDER BY seq LIMIT ${AT_ONCE}`,
  );
  for (let last = from; ;) {
    for (let rows = changed.all(policy); rows.length > 0; rows = changed.all(policy)) yield* rows;
    const rows = grown.all(last);
    const newest = rows.at(-1);
    if (newest === undefined) return;
    // Those of one trajectory often follow each other.
    for (const [at, row] of rows.entries()) if (rows[at + 1]?.id !== row.id) yield row;
    last = newest.seq;
  }
}

function counted(db: Db, policy: string, seq: number): void {
  prepared<[number, string]>(db, 'UPDATE countings SET steps_to = ? WHERE policy = ?').run(seq, policy);
}

/** Without the write lock. */
export function isCounted(db: Db, policy: string, rule: CandidateRule): boolean {
  const counting = countingOf(db, policy);
  return (
    counting !== undefined &&
    counting.mode === rule.mode &&
    counting.rule === rule.name &&
    counting.tasksWritten === 0 &&
    counting.recountFrom === null &&
    prepared<[number]>(db, 'SELECT 1 FROM steps WHERE seq > ? LIMIT 1').get(counting.stepsTo) === undefined &&
    prepared<[string]>(db, 'SELECT 1 FROM touched WHERE policy = ? LIMIT 1').get(policy) === undefined
  );
}

function countingOf(db: Db, policy: string): Counting | undefined {
  return prepared<[string], Counting>(
    db,
    `SELECT mode, rule, held_out AS heldOut, tasks_written AS tasksWritten, recount_from AS recountFrom,
        steps_to AS stepsTo
      FROM countings WHERE policy = ?`,
  ).get(policy);
}

/** What is to be counted by this rule, and with the present held-out tasks, is noted as such. */
function begun(db: Db, policy: string, rule: CandidateRule): Counting {
  const known = countingOf(db, policy);
  const heldOut = known?.tasksWritten === 0 ? known.heldOut : heldOutStamp(db);
  // Other states, or other words to be looked for: all of it is looked at again.
  const fresh = known?.mode !== rule.mode || known.heldOut !== heldOut;
  const again = fresh ? null : known.rule === rule.name ? known.recountFrom : 0;
  if (fresh)
    prepared(db, 'INSERT INTO touched SELECT @policy, id FROM trajectories WHERE 1 ON CONFLICT DO NOTHING').run({
      policy,
    });
  const newest = prepared<[], { seq: number | null }>(db, 'SELECT max(seq) AS seq FROM steps').get()?.seq ?? 0;
  const stepsTo = fresh ? newest : known.stepsTo;
  const row = { policy, mode: rule.mode, rule: rule.name, heldOut, recountFrom: again, stepsTo };
  prepared(
    db,
    `INSERT INTO countings (policy, mode, rule, held_out, tasks_written, recount_from, total, steps_to)
      VALUES (@policy, @mode, @rule, @heldOut, 0, @recountFrom, (SELECT count(*) FROM trajectories), @stepsTo)
      ON CONFLICT DO UPDATE SET mode = @mode, rule = @rule, held_out = @heldOut, tasks_written = 0,
        recount_from = @recountFrom, steps_to = @stepsTo${fresh ? ', total = excluded.total' : ''}`,
  ).run(row);
  return { ...row, tasksWritten: 0 };
}

function heldOutStamp(db: Db): string {
  const tasks = prepared<[], { task: string }>(
    db,
    "SELECT id || ' ' || hash AS task FROM tasks WHERE split = 'heldout' ORDER BY id",
  ).all();
  const { share } = liveHoldoutOf(db);
  return sha256(
    [...tasks.map(({ task }) => task), ...(share === 0 ? [] : [`live ${share} by its opening`])].join('\n'),
  );
}

/** Notes the trajectories of steps whose reason may be another one now. */
function recount(db: Db, policy: string, rule: CandidateRule, from: number): void {
  const rows = prepared<[string, number], FactsRow & { seq: number; reason: string }>(
    db,
    `SELECT seq, policy_version AS policyVersion, facts, not_trainable AS notTrainable, reason FROM candidates
      WHERE policy = ? AND seq > ? ORDER BY seq LIMIT ${RECOUNTED}`,
  ).all(policy, from);
  const touch = prepared<[string, number]>(
    db,
    `INSERT INTO touched SELECT ?, trajectory_id FROM steps WHERE seq = ? ON CONFLICT DO NOTHING`,
  );
  for (const row of rows) if (rule.reasonOf(unpacked(row)) !== row.reason) touch.run(policy, row.seq);
  prepared<[number | null, string]>(db, 'UPDATE countings SET recount_from = ? WHERE policy = ?').run(
    rows.length < RECOUNTED ? null : (rows.at(-1)?.seq ?? null),
    policy,
  );
}

interface Row extends FactsRow {
  readonly seq: number;
  readonly keyId: string;
  readonly own: number;
  readonly branchOf: number | null;
  readonly reason: string;
  readonly state: number | null;
  readonly place: number;
}

const COLUMNS = `c.seq, c.key_id AS keyId, c.own, c.policy_version AS policyVersion, c.facts,
  c.not_trainable AS notTrainable, c.branch_of AS branchOf, c.reason, c.state, c.place`;

function foldOne(db: Db, policy: string, rule: CandidateRule, heldOut: HeldOut, trajectoryId: string): void {
  const known = new Map(
    prepared<[string, string], Row>(
      db,
      `SELECT ${COLUMNS} FROM steps s CROSS JOIN candidates c ON c.seq = s.seq AND c.policy = ?
        WHERE s.trajectory_id = ?`,
    )
      .all(policy, trajectoryId)
      .map((row) => [row.seq, row]),
  );
  const changed: number[] = [];
  for (const found of candidatesIn(db, trajectoryId, (tip) => heldOut.isTask(tip))) {
    const row = rowOf(db, policy, rule, heldOut, found);
    const before = known.get(row.seq);
    known.delete(row.seq);
    if (found.unanswered !== undefined)
      prepared<[string, string]>(db, 'INSERT INTO unanswered VALUES (?, ?) ON CONFLICT DO NOTHING').run(
        found.unanswered,
        trajectoryId,
      );
    if (before !== undefined && isSame(before, row)) continue;
    changed.push(row.seq);
    prepared(
      db,
      `INSERT INTO candidates (policy, seq, key_id, own, policy_version, facts, not_trainable, branch_of, reason,
          state, place)
        VALUES (@policy, @seq, @keyId, @own, @policyVersion, @facts, @notTrainable, @branchOf, @reason, @state, @place)
        ON CONFLICT DO UPDATE SET key_id = @keyId, own = @own, policy_version = @policyVersion, facts = @facts,
          not_trainable = @notTrainable, branch_of = @branchOf, reason = @reason, state = @state, place = @place`,
    ).run({ policy, ...row });
  }
  for (const seq of known.keys()) {
    prepared<[number, string]>(db, 'DELETE FROM candidates WHERE seq = ? AND policy = ?').run(seq, policy);
    changed.push(seq);
  }
  for (const seq of changed)
    prepared<[string, number]>(
      db,
      `INSERT INTO touched SELECT c.policy, s.trajectory_id FROM candidates c JOIN steps s ON s.seq = c.seq
        WHERE c.policy = ? AND c.branch_of = ? ON CONFLICT DO NOTHING`,
    ).run(policy, seq);
}

function rowOf(db: Db, policy: string, rule: CandidateRule, heldOut: HeldOut, found: Found): Row {
  const { seq, stepId, keyId, own, ofTask, stateAt, stateTip, toolSet, branchOf } = found;
  // Only of what some filter would keep: it takes reading what was said.
  const candidate =
    mayBeKept(found.candidate) &&
    (heldOut.isIn(stateAt, stateTip) || (!own && !ofTask && heldOut.isLive(stateAt, stateTip)))
      ? { ...found.candidate, heldout: true }
      : found.candidate;
  const reason = rule.reasonOf(candidate);
  return {
    seq,
    keyId,
    own: Number(own),
    ...packed(candidate),
    branchOf: branchOf ?? null,
    reason,
    state: reason === '' ? stateRow(db, { policy, mode: rule.mode, stateTip, toolSet, stepId }) : null,
    place: rule.mode === 'sft' && candidate.good !== true ? BEHIND + seq : seq,
  };
}

function mayBeKept({ policyVersion, taught, withdrawn, consent, heldout, evaluated, finished }: Candidate): boolean {
  const isOurs = policyVersion !== undefined || taught === true;
  return isOurs && !withdrawn && consent && !heldout && !evaluated && finished;
}

function isSame(a: Row, b: Row): boolean {
  return (Object.keys(b) as (keyof Row)[]).every((field) => a[field] === b[field]);
}
