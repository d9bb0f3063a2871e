/** States as rows: each once, however many steps have it. */
import type { TrainMode } from '../../core/learning/cycle.js';
import type { Hash } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';

interface Named {
  readonly policy: string;
  readonly mode: TrainMode;
  readonly stateTip: Hash;
  readonly toolSet: Hash;
}

/** So many digits of either hash, behind its prefix, as the trigger has them that lets go of what was deleted. */
const [FROM, TO] = [3, 35];
/** Digits of a state's place in the order in which states are drawn. */
const DRAW = 8;

/** Of a step that a cycle has taken up before states were counted, its state has been visited. */
const VISITS = `SELECT count(*) AS visits, coalesce(max(y.base_version), -1) AS version
  FROM cycle_steps c JOIN cycles y ON y.id = c.cycle_id
  WHERE c.step_id = ? AND c.mode = ? AND c.policy = ? AND (c.visited OR y.state <> 'running')`;

/** The row of a state, which is made where there is none. */
export function stateRow(db: Db, { policy, mode, stateTip, toolSet, stepId }: Named & { stepId: string }): number {
  const hash = stateTip.slice(FROM, TO) + toolSet.slice(FROM, TO);
  const known = prepared<[string, string, string], { id: number }>(
    db,
    'SELECT id FROM states WHERE hash = ? AND policy = ? AND mode = ?',
  ).get(hash, policy, mode);
  if (known !== undefined) return known.id;
  const before = prepared<[string, string, string], { visits: number; version: number }>(db, VISITS).get(
    stepId,
    mode,
    policy,
  );
  const { lastInsertRowid } = prepared(
    db,
    `INSERT INTO states (policy, mode, hash, draw, steps, told, first, key_id, own, visits, last_version, refusals)
      VALUES (@policy, @mode, @hash, @draw, 0, 0, NULL, '', 0, @visits, @version, 0)`,
  ).run({
    policy,
    mode,
    hash,
    draw: drawOf(hash),
    visits: before?.visits ?? 0,
    version: before?.version ?? -1,
  });
  return Number(lastInsertRowid);
}

/** Where in the order of all states one stands, or a cycle begins to draw. */
export function drawOf(digits: string): number {
  return Number.parseInt(digits.slice(0, DRAW), 16);
}
