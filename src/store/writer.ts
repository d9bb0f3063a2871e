/**
 * The rows of the log, added inside one transaction at a time, and the ledger row that seals them.
 * Remembers what it has committed lately, so that what conversations share is not written again;
 * forgets it all when anyone, here or in another process, has deleted something.
 */
import { canonicalJson, sha256, type Hash } from '../core/hash.js';
import type { FunctionSpec } from '../core/policy.js';
import type { Link } from './chain.js';
import { prepared, type Db } from './db.js';
import type { Transaction } from './group.js';
import { contentHash, ledgeredShape, nextLedgerRow, type LedgerEntry, type LedgerRow } from './ledger.js';
import { contextOf, Contexts, deltaOf, readContext, type Context } from './prompt.js';
import { shapeOf, type Shape, type SqlValue } from './rows.js';
import { ledger, toolSets, type responses, type steps, type trajectories } from './schema.js';
import { packU32 } from './tokens.js';

type Given = 'seq' | 'idx' | 'promptBase' | 'promptShared' | 'promptSuffix' | 'contentHash';
/** A step's row but for its place and its prompt's delta, which are known only inside the transaction. */
export type StepRow = Omit<typeof steps.$inferInsert, Given>;
export type TrajectoryRow = typeof trajectories.$inferInsert;
export type ResponseRow = Omit<typeof responses.$inferInsert, 'contentHash'>;

/** Token ids of contexts kept for the next delta: 16 MiB. */
const CONTEXT_IDS = 4 * 1024 * 1024;
const RECENT_KEYS = 8_192;

const LEDGER = shapeOf(ledger);
const INSERT_TOOL_SET = shapeOf(toolSets).insertOrIgnore;

export class Writer implements Transaction {
  /** Grows with every deletion; stands still while what was found in the store is still there. */
  epoch: number;
  readonly #db: Db;
  readonly #now: () => number;
  readonly #contexts = new Contexts(CONTEXT_IDS);
  readonly #recent = new Recent(RECENT_KEYS);
  #entries: LedgerEntry[] = [];
  #seq: number | undefined;

  constructor(db: Db, now: () => number) {
    this.#db = db;
    this.#now = now;
    this.epoch = this.#deletions();
  }

  begin(): void {
    this.#entries = [];
    this.#seq = undefined;
    const epoch = this.#deletions();
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.#recent.clear();
    this.#contexts.clear();
  }

  end(): void {
    if (this.#entries.length === 0) return;
    const last = prepared<[], LedgerRow>(this.#db, 'SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1').get();
    this.#insert(LEDGER.insert, LEDGER.values(nextLedgerRow(last, this.#now(), this.#entries)));
  }

  settled(committed: boolean): void {
    this.#recent.settle(committed);
  }

  /** Whether the trajectory was deleted since `epoch`: what is said in it afterwards is not logged. */
  gone(trajectoryId: string, epoch: number): boolean {
    return epoch !== this.epoch && prepared<[string]>(this.#db, 'SELECT 1 FROM deletions WHERE trajectory_id = ?').get(trajectoryId) !== undefined;
  }

  /** Rows for `links` from position `from` on, under the message `parent`. Returns the last one's row. */
  chain(links: readonly Link[], from = 0, parent = 0): number {
    let at = parent;
    for (let next = from; next < links.length; next += 1) {
      const link = links[next];
      if (link !== undefined) at = this.#recent.get(link.hash) ?? this.#message(at, link);
    }
    return at;
  }

  toolSet(tools: readonly FunctionSpec[]): Hash {
    const body = toolSetBody(tools);
    const hash = toolSetHash(body);
    if (this.#recent.get(hash) === undefined) {
      this.#insert(INSERT_TOOL_SET, [hash, body]);
      this.#recent.stage(hash, 0);
    }
    return hash;
  }

  /** Idempotent. Returns whether the row is new. */
  trajectory(row: TrajectoryRow): boolean {
    if (this.#recent.get(row.id) !== undefined) return false;
    this.#recent.stage(row.id, 0);
    const shape = ledgeredShape('trajectories');
    const values = shape.values(row);
    if (this.#insert(shape.insertOrIgnore, values) === 0) return false;
    this.#entries.push(['trajectories', row.id, contentHash(shape, values)]);
    return true;
  }

  /** `first` is true for the first step of a trajectory made in this transaction: its place needs no look-up. */
  step(row: StepRow, prompt: readonly number[] | undefined, action: readonly number[] | undefined, first: boolean): void {
    const { trajectoryId, id } = row;
    const context = prompt === undefined ? undefined : contextOf(id, prompt, action ?? []);
    const base = first || context === undefined ? undefined : this.#base(trajectoryId);
    const { promptBase, promptShared, promptSuffix } = context === undefined
      ? { promptBase: null, promptShared: 0, promptSuffix: null }
      : deltaOf(base, context.ids.subarray(0, context.promptLength));
    this.#seal('steps', {
      ...row, seq: this.#nextSeq(), idx: first ? 0 : this.#nextIndex(trajectoryId), promptBase, promptShared,
      promptSuffix: promptSuffix === null ? null : packU32(promptSuffix), contentHash: '',
    });
    // True of the step whatever becomes of the transaction: whether it is a base is asked of the rows.
    if (context !== undefined) this.#contexts.set(trajectoryId, context);
  }

  response(row: ResponseRow): void {
    this.#seal('responses', { ...row, contentHash: '' });
  }

  #seal<K extends 'steps' | 'responses'>(table: K, row: Parameters<Shape<(K extends 'steps' ? typeof steps : typeof responses)>['values']>[0]): void {
    const shape = ledgeredShape(table) as Shape;
    const values = shape.values(row);
    const hash = contentHash(shape, values);
    values[shape.at('content_hash')] = hash;
    this.#insert(shape.insert, values);
    this.#entries.push([table, String(values[shape.at('id')]), hash]);
  }

  #insert(sql: string, values: SqlValue[]): number {
    return prepared<SqlValue[]>(this.#db, sql).run(...values).changes;
  }

  #deletions(): number {
    return prepared<[], { last: number | null }>(this.#db, 'SELECT max(rowid) AS last FROM deletions').get()?.last ?? 0;
  }

  #message(parent: number, { hash, body }: Link): number {
    const added = prepared<[number, string, string]>(this.#db, 'INSERT OR IGNORE INTO messages (parent, hash, body) VALUES (?, ?, ?)').run(parent, hash, body);
    const id = added.changes > 0
      ? Number(added.lastInsertRowid)
      : (prepared<[number, string], { id: number }>(this.#db, 'SELECT id FROM messages WHERE parent = ? AND hash = ?').get(parent, hash)?.id ?? 0);
    this.#recent.stage(hash, id);
    return id;
  }

  #nextSeq(): number {
    this.#seq ??= prepared<[], { seq: number | null }>(this.#db, 'SELECT max(seq) AS seq FROM steps').get()?.seq ?? 0;
    this.#seq += 1;
    return this.#seq;
  }

  #nextIndex(trajectoryId: string): number {
    const last = prepared<[string], { idx: number }>(this.#db, 'SELECT idx FROM steps WHERE trajectory_id = ? ORDER BY idx DESC LIMIT 1').get(trajectoryId);
    return last === undefined ? 0 : last.idx + 1;
  }

  #base(trajectoryId: string): Context | undefined {
    const row = prepared<[string], { id: string }>(this.#db, 'SELECT id FROM steps WHERE trajectory_id = ? AND prompt_suffix IS NOT NULL ORDER BY idx DESC LIMIT 1').get(trajectoryId);
    if (row === undefined) return undefined;
    const kept = this.#contexts.get(trajectoryId);
    return kept?.stepId === row.id ? kept : readContext(this.#db, row.id, kept);
  }
}

const specBodies = new WeakMap<FunctionSpec, string>();

/** Canonical text of a tool list. Server tools are the same objects in every request. */
function toolSetBody(tools: readonly FunctionSpec[]): string {
  const bodies = tools.map((spec) => {
    let body = specBodies.get(spec);
    if (body === undefined) specBodies.set(spec, (body = canonicalJson(spec)));
    return body;
  });
  return `[${bodies.join(',')}]`;
}

export function toolSetHash(body: string): Hash {
  return sha256(`tools\n${body}`);
}

/** The latest keys with their row numbers, in two generations: the older is dropped when the younger is full. */
class Recent {
  readonly #limit: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  /** Of the transaction that is open: nobody's yet. */
  #staged = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): number | undefined {
    return this.#staged.get(key) ?? this.#young.get(key) ?? this.#old.get(key);
  }

  stage(key: string, row: number): void {
    this.#staged.set(key, row);
  }

  settle(committed: boolean): void {
    if (committed) for (const [key, row] of this.#staged) this.#young.set(key, row);
    this.#staged.clear();
    if (this.#young.size < this.#limit) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
