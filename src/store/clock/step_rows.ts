/** Logged steps as the learning clock reads them. They are everyone's: no policy stands in their rows. */
import type { StateWords } from '../../core/learning/state.js';
import type { StepRows } from '../../core/ports.js';
import type { FunctionSpec } from '../../core/policy.js';
import { parseJson } from '../../core/text/json.js';
import { type Db, prepared } from '../file/db.js';
import { consented } from '../learning/consent.js';
import { heldOutOf } from '../learning/held_out.js';
import { messageOf, readChain } from '../log/chain.js';
import { stateOf } from '../read/state.js';
import { AskedStates } from './asked_states.js';

export function stepRows(db: Db): StepRows {
  const asked = new AskedStates(db);
  return {
    async states(ids) {
      return found(ids, (id) => stateOf(db, id));
    },
    async asked(ids, after) {
      return asked.of(ids, after === 'after');
    },
    async words(ids) {
      return found(ids, (id) => wordsOf(db, id));
    },
    async consented(ids) {
      return consented(db, ids);
    },
    async heldOut(ids) {
      const heldOut = heldOutOf(db);
      return new Set(
        ids.filter((id) => {
          const place = placeOf(db, id);
          if (place === undefined) return false;
          return heldOut.isIn(place.at) || (place.isTraffic === 1 && heldOut.isLive(place.at));
        }),
      );
    },
  };
}

function found<T>(ids: readonly string[], read: (id: string) => T | undefined): ReadonlyMap<string, T> {
  const rows = new Map<string, T>();
  for (const id of ids) {
    const row = read(id);
    if (row !== undefined) rows.set(id, row);
  }
  return rows;
}

function wordsOf(db: Db, id: string): StateWords | undefined {
  const place = placeOf(db, id);
  const chain = place === undefined ? undefined : readChain(db, place.at);
  if (place === undefined || chain === undefined) return undefined;
  return { messages: chain.map(({ body }) => messageOf(body)), tools: parseJson(place.tools) as FunctionSpec[] };
}

interface Place {
  readonly at: number;
  readonly tools: string;
  /** A client's, and of no task. */
  readonly isTraffic: 0 | 1;
}

function placeOf(db: Db, id: string): Place | undefined {
  return prepared<[string], Place>(
    db,
    `SELECT s.state_at AS at, k.body AS tools,
        t.origin = 'live' AND NOT EXISTS (SELECT 1 FROM tasks a WHERE a.id = t.task_id) AS isTraffic
      FROM steps s JOIN tool_sets k ON k.hash = s.tool_set
      JOIN trajectories t ON t.id = s.trajectory_id WHERE s.id = ?`,
  ).get(id);
}
