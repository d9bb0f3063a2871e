/**
 * Many logged states at once, as a judge looks at them. Neighbouring steps share nearly all of what was said before
 * them: each message is read once, and kept for a while.
 */
import type { AskedState, LoggedState } from '../../core/learning/state.js';
import type { Task } from '../../core/learning/task.js';
import type { Message } from '../../core/message.js';
import type { FunctionSpec } from '../../core/policy.js';
import { parseJson } from '../../core/text/json.js';
import { prepared, type Db } from '../file/db.js';
import { removals } from '../file/prunings.js';
import { isAdminKey } from '../keys/keys.js';
import { userFeedback } from '../labels/user_feedback.js';
import { asks, taskById } from '../learning/tasks.js';
import { messageOf } from '../log/chain.js';
import { loggedState, type StateColumns } from '../read/state.js';

/** Messages that are kept, twice over; and lists of tools. */
const MESSAGES = 20_000;
const TOOL_SETS = 1_000;

/** As SQLite gives them. */
interface Row extends Omit<StateColumns, 'consent' | 'callsAllowed'> {
  readonly toolSet: string;
  readonly responseId: string;
  readonly consent: 0 | 1;
  readonly callsAllowed: 0 | 1 | null;
  readonly policyAt: number;
}

const ROWS = `SELECT s.id, s.trajectory_id AS trajectoryId, s.idx, s.key_id AS keyId, s.policy_version AS policyVersion,
    s.consent, s.state_at AS stateAt, s.action_tip AS actionTip, s.tool_set AS toolSet, s.tool_choice AS toolChoice,
    s.calls_allowed AS callsAllowed, s.sampling, s.template_hash AS templateHash, s.not_trainable AS notTrainable,
    t.task_id AS taskId, t.origin, s.policy_at AS policyAt,
    s.response_id AS responseId
  FROM json_each(?) e CROSS JOIN steps s ON s.id = e.value CROSS JOIN trajectories t ON t.id = s.trajectory_id`;

interface Said {
  readonly parent: number;
  readonly message: Message;
}

export class AskedStates {
  readonly #db: Db;
  readonly #said = new Recent<number, Said>(MESSAGES);
  readonly #tools = new Recent<string, readonly FunctionSpec[]>(TOOL_SETS);
  /** What was kept before a removal may be another's: numbers of rows are given again. */
  #epoch = -1;

  constructor(db: Db) {
    this.#db = db;
  }

  /** By step; one that is gone has no entry. `after`: with what came after each, and what users said of it. */
  of(ids: readonly string[], after: boolean): ReadonlyMap<string, AskedState> {
    return this.#db.transaction(() => {
      const epoch = removals(this.#db);
      if (epoch !== this.#epoch) {
        this.#said.clear();
        this.#epoch = epoch;
      }
      const about = new About(this.#db);
      const found = new Map<string, AskedState>();
      for (const row of prepared<[string], Row>(this.#db, ROWS).all(JSON.stringify(ids))) {
        const state = this.#stateOf(row);
        if (state === undefined) continue;
        const asked = about.asked(state);
        const feedback = after ? userFeedback(this.#db, row.id, row.responseId) : undefined;
        found.set(row.id, after ? { ...asked, after: this.#after(row), feedback } : asked);
      }
      return found;
    });
  }

  #stateOf(row: Row): LoggedState | undefined {
    const messages = this.#until(row.stateAt, 0);
    const tools = this.#toolSet(row.toolSet);
    if (messages === undefined || tools === undefined) return undefined;
    const callsAllowed = row.callsAllowed === null ? null : row.callsAllowed === 1;
    return loggedState(this.#db, { ...row, consent: row.consent === 1, callsAllowed }, { messages, tools });
  }

  /** What follows the action: up to the next step's state where that goes on from here, else what the step appended. */
  #after({ trajectoryId, idx, stateAt, policyAt }: Row): readonly Message[] {
    const next = prepared<[string, number], { stateAt: number }>(
      this.#db,
      'SELECT state_at AS stateAt FROM steps WHERE trajectory_id = ? AND idx = ?',
    ).get(trajectoryId, idx + 1);
    const goesOn = next !== undefined && this.#until(next.stateAt, policyAt) !== undefined;
    // The first is the action itself.
    return (this.#until(goesOn ? next.stateAt : policyAt, stateAt) ?? []).slice(1);
  }

  /** Messages after `from` (0: all) up to `at`, oldest first; undefined where one is missing, or none leads there. */
  #until(at: number, from: number): readonly Message[] | undefined {
    const messages: Message[] = [];
    for (let id = at; id !== from;) {
      const said = id === 0 ? undefined : (this.#said.get(id) ?? this.#read(id));
      if (said === undefined) return undefined;
      messages.push(said.message);
      id = said.parent;
    }
    return messages.reverse();
  }

  #read(id: number): Said | undefined {
    const row = prepared<[number], { parent: number; body: string }>(
      this.#db,
      'SELECT parent, body FROM messages WHERE id = ?',
    ).get(id);
    return row === undefined ? undefined : this.#said.set(id, { parent: row.parent, message: messageOf(row.body) });
  }

  #toolSet(hash: string): readonly FunctionSpec[] | undefined {
    const known = this.#tools.get(hash);
    if (known !== undefined) return known;
    const row = prepared<[string], { body: string }>(this.#db, 'SELECT body FROM tool_sets WHERE hash = ?').get(hash);
    return row === undefined ? undefined : this.#tools.set(hash, parseJson(row.body) as FunctionSpec[]);
  }
}

/** What tells which reference a state may be compared with, looked up once for many states. */
class About {
  readonly #db: Db;
  readonly #tasks = new Map<string, Task | undefined>();
  readonly #admins = new Map<string, boolean>();

  constructor(db: Db) {
    this.#db = db;
  }

  asked(state: LoggedState): AskedState {
    const task = state.taskId === undefined ? undefined : this.#task(state.taskId);
    return {
      state,
      task,
      asksTask: task !== undefined && asks(this.#db, task.id, state),
      byAdmin: this.#isAdmin(state.keyId),
    };
  }

  #task(id: string): Task | undefined {
    if (!this.#tasks.has(id)) this.#tasks.set(id, taskById(this.#db, id));
    return this.#tasks.get(id);
  }

  #isAdmin(keyId: string): boolean {
    let known = this.#admins.get(keyId);
    if (known === undefined) this.#admins.set(keyId, (known = keyId !== '' && isAdminKey(this.#db, keyId)));
    return known;
  }
}

/** In two generations: when the younger is full it becomes the older, and the older is dropped. */
class Recent<K, V> {
  readonly #limit: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    return old === undefined ? undefined : this.set(key, old);
  }

  set(key: K, value: V): V {
    this.#young.set(key, value);
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return value;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
