/**
 * The step that a state was made by: the nearest one whose words it goes on from. Of the steps of one trajectory it is
 * the one before only where nothing branches: choices of one request stand side by side, and the first step of a
 * branch goes on from a step of another trajectory.
 */
import { prepared, type Db } from '../file/db.js';

/** Where a step stands. */
export interface Place {
  readonly seq: number;
  readonly keyId: string;
  readonly stateAt: number;
  readonly policyAt: number;
}

interface Message {
  readonly parent: number;
  readonly hash: string;
}

/** The steps of a trajectory by where they left it. */
export class Left {
  readonly #db: Db;
  readonly #own = new Map<number, number>();

  constructor(db: Db, steps: readonly Place[]) {
    this.#db = db;
    for (const { seq, policyAt } of steps) if (!this.#own.has(policyAt)) this.#own.set(policyAt, seq);
  }

  /** Its `seq`; undefined where no logged step led to the state. */
  before(step: Place): number | undefined {
    const messageAt = prepared<[number], Message>(this.#db, 'SELECT parent, hash FROM messages WHERE id = ?');
    const passed: (Message & { readonly id: number })[] = [];
    for (let id = step.stateAt; id !== 0;) {
      const own = this.#own.get(id);
      // Where the action added no message it left the state as it was.
      if (own !== undefined && own !== step.seq && own < step.seq) return own;
      const message = messageAt.get(id);
      if (message === undefined) break;
      passed.push({ id, ...message });
      id = message.parent;
    }
    for (const message of passed) {
      const found = elsewhere(this.#db, step, message);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** A step of the same key that said this message, as deletion finds it; of several the first. */
function elsewhere(db: Db, { seq, keyId }: Place, { id, hash }: Message & { readonly id: number }): number | undefined {
  const first = (where: string, value: number | string): number | undefined =>
    prepared<[number | string, string], { seq: number }>(
      db,
      `SELECT x.seq FROM steps x WHERE ${where} AND x.key_id = ? ORDER BY x.seq LIMIT 1`,
    ).get(value, keyId)?.seq;
  const found = [
    first('x.policy_at = ? AND x.policy_tip <> x.client_tip', id),
    first('x.client_tip = ?', hash),
    first('x.action_tip = ? AND x.action_tip <> x.policy_tip', hash),
  ].filter((each) => each !== undefined && each < seq) as number[];
  return found.length === 0 ? undefined : Math.min(...found);
}
