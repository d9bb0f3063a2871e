/**
 * Writes the rows of the log, inside one transaction at a time, and the ledger row that seals them. Caches the rows
 * that conversations share, so that they are not written again; empties its caches when this or another process has
 * deleted something.
 */
import { canonicalJson, sha256, type Hash } from '../../core/text/hash.js';
import type { FunctionSpec } from '../../core/policy.js';
import type { Trajectory } from '../../core/trajectory.js';
import type { ChainedMessage } from './chain.js';
import { prepared, type Db } from '../file/db.js';
import { wasDeleted } from '../file/deletions.js';
import type { Transaction } from '../file/group.js';
import { contentHash, ledgeredShape, nextLedgerRow, type LedgerEntry, type LedgerRow } from '../file/ledger.js';
import { removals } from '../file/prunings.js';
import { Contexts, readContext, sharedWith, type Context } from './prompt.js';
import { shapeOf, type SqlValue } from '../file/rows.js';
import { ledger, toolSets, type responses, type steps } from '../file/schema.js';
import { packU32 } from '../file/tokens.js';
import { UsageSums } from '../keys/usage.js';
import type { AnswerCount } from './answer_count.js';

export type StepRow = typeof steps.$inferInsert;
export type ResponseRow = typeof responses.$inferInsert;

/** Token ids of contexts kept for the next delta: at most 32 MiB. */
const CONTEXT_IDS = 4 * 1024 * 1024;
/** Shared rows that are cached, twice over. */
const ROW_CACHE_KEYS = 2_048;

const LEDGER = shapeOf(ledger);
const INSERT_TOOL_SET = shapeOf(toolSets).insertOrIgnore;

/** A ledger row that is committed. */
export type Sealed = Pick<LedgerRow, 'seq' | 'hash'>;

export class Writer implements Transaction {
  /** Grows with every deletion and pruning: while it is the same, rows that were found in the store are still there. */
  epoch: number;
  readonly #db: Db;
  readonly #now: () => number;
  readonly #contexts = new Contexts(CONTEXT_IDS);
  readonly #sharedRows = new RowCache(ROW_CACHE_KEYS);
  readonly #usage = new UsageSums();
  #entries: LedgerEntry[] = [];
  #seq: number | undefined;
  /** The newest row of the ledger that is committed, and the one of the open transaction. */
  #sealed: Sealed | undefined;
  #sealing: Sealed | undefined;
  readonly #answers: AnswerCount | undefined;

  constructor(db: Db, now: () => number, answers?: AnswerCount) {
    this.#db = db;
    this.#now = now;
    this.#answers = answers;
    this.epoch = removals(db);
  }

  get sealed(): Sealed | undefined {
    return this.#sealed;
  }

  begin(): void {
    this.#entries = [];
    this.#sealing = undefined;
    this.#answers?.begin();
    this.#usage.clear();
    this.#seq = undefined;
    this.forgetDeleted();
  }

  /** Keeps nothing in memory of what was deleted. */
  forgetDeleted(): void {
    const epoch = removals(this.#db);
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.#sharedRows.clear();
    this.#contexts.clear();
  }

  end(): void {
    this.#usage.write(this.#db);
    if (this.#entries.length === 0) return;
    const last = prepared<[], LedgerRow>(this.#db, 'SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1').get();
    const row = nextLedgerRow(last, this.#now(), this.#entries, this.#answers?.acknowledged);
    this.#insert(LEDGER.insert, LEDGER.values(row));
    this.#sealing = row;
  }

  settled(committed: boolean): void {
    this.#sharedRows.settled(committed);
    this.#answers?.settled(committed);
    if (committed && this.#sealing !== undefined) this.#sealed = this.#sealing;
  }

  /** The end of an answer that its process has given this number; `written` is false where it has nothing to add. */
  answer(number: number, written: boolean): void {
    this.#answers?.answer(number, written);
  }

  /** An answer that will not be written. */
  refused(number: number): void {
    this.#answers?.excuse(number);
  }

  /**
   * Whether the trajectory was deleted since `epoch`: a recording in it that goes on is not logged. `begun` says that
   * it had its row, which is gone also where it was pruned.
   */
  isDeleted(trajectoryId: string, epoch: number, begun: boolean): boolean {
    if (epoch === this.epoch) return false;
    const found = (sql: string): boolean => prepared<[string]>(this.#db, sql).get(trajectoryId) !== undefined;
    return wasDeleted(this.#db, trajectoryId) || (begun && !found('SELECT 1 FROM trajectories WHERE id = ?'));
  }

  /**
   * Adds rows for a chain from position `from` on, under the message of row `parent`. Returns the row of the last one.
   * `known` are the rows the caller has written in committed transactions; any other message is taken for new, except
   * a system prompt. Nothing is looked up: an index by hash would cost more than the rare duplicate it finds.
   */
  messages(chain: readonly ChainedMessage[], from: number, parent: number, known: Map<Hash, number>): number {
    let row = parent;
    for (let next = from; next < chain.length; next += 1) {
      const message = chain[next];
      if (message !== undefined) row = known.get(message.hash) ?? this.#message(row, message, known);
    }
    return row;
  }

  toolSet(tools: readonly FunctionSpec[]): Hash {
    const body = toolSetBody(tools);
    const hash = toolSetHash(body);
    if (this.#sharedRows.get(hash) === undefined) {
      this.#insert(INSERT_TOOL_SET, [hash, body]);
      this.#sharedRows.stage(hash, 0);
    }
    return hash;
  }

  /** Adds the row where it is not there. Returns whether it is new. */
  trajectory(trajectory: Trajectory): boolean {
    const shape = ledgeredShape('trajectories');
    const { metadata } = trajectory;
    const values = shape.values({
      ...trajectory,
      metadata: metadata === undefined ? null : JSON.stringify(metadata),
    });
    if (this.#insert(shape.insertOrIgnore, values) === 0) return false;
    this.#entries.push(['trajectories', trajectory.id, contentHash(shape, values)]);
    return true;
  }

  /**
   * Gives `row` its number and its prompt's delta, which are known only inside the transaction, and adds it. `first` is
   * true for the first step of a trajectory that this transaction adds: its number needs no look-up.
   */
  step(
    row: StepRow,
    prompt: readonly number[] | undefined,
    action: readonly number[] | undefined,
    first: boolean,
  ): void {
    const { trajectoryId, id: stepId } = row;
    row.seq = this.#nextSeq();
    row.idx = first ? 0 : this.#nextIndex(trajectoryId);
    if (prompt !== undefined) {
      const base = first ? undefined : this.#base(trajectoryId);
      row.promptBase = base?.stepId ?? null;
      row.promptShared = base === undefined ? 0 : sharedWith(base, prompt);
      row.promptSuffix = packU32(prompt, row.promptShared);
      // Harmless if the transaction is rolled back: `#base` looks in the rows which step is the base, not here.
      this.#contexts.set(trajectoryId, { stepId, prompt, action: action ?? [] });
    }
    this.#seal('steps', stepId, ledgeredShape('steps').values(row));
  }

  /** A step of that id in another response is another step, and a fault. */
  hasStep(id: string, responseId: string): boolean {
    const found = prepared<[string, string]>(this.#db, 'SELECT 1 FROM steps WHERE id = ? AND response_id = ?');
    return found.get(id, responseId) !== undefined;
  }

  response(row: ResponseRow): void {
    this.#seal('responses', row.id, ledgeredShape('responses').values(row));
  }

  /** Counts an answer for its key, also where its trajectory was deleted meanwhile: the tokens were used. */
  countUsage(keyId: string, at: number, tokens: number): void {
    if (keyId !== '') this.#usage.add(keyId, at, tokens);
  }

  #seal(table: 'steps' | 'responses', id: string, values: SqlValue[]): void {
    const shape = ledgeredShape(table);
    const hash = contentHash(shape, values);
    values[shape.at('content_hash')] = hash;
    this.#insert(shape.insert, values);
    this.#entries.push([table, id, hash]);
  }

  #insert(sql: string, values: SqlValue[]): number {
    return prepared<[SqlValue[]]>(this.#db, sql).run(values).changes;
  }

  #message(parent: number, { hash, body }: ChainedMessage, known: Map<Hash, number>): number {
    let id = this.#sharedRows.get(hash);
    if (id === undefined) {
      id = Number(
        prepared<[number, string, string]>(this.#db, 'INSERT INTO messages (parent, hash, body) VALUES (?, ?, ?)').run(
          parent,
          hash,
          body,
        ).lastInsertRowid,
      );
      if (parent === 0 && isSystem(body)) this.#sharedRows.stage(hash, id);
    }
    known.set(hash, id);
    return id;
  }

  #nextSeq(): number {
    this.#seq ??= prepared<[], { seq: number | null }>(this.#db, 'SELECT max(seq) AS seq FROM steps').get()?.seq ?? 0;
    this.#seq += 1;
    return this.#seq;
  }

  #nextIndex(trajectoryId: string): number {
    const last = prepared<[string], { idx: number }>(
      this.#db,
      'SELECT idx FROM steps WHERE trajectory_id = ? ORDER BY idx DESC LIMIT 1',
    ).get(trajectoryId);
    return last === undefined ? 0 : last.idx + 1;
  }

  #base(trajectoryId: string): Context | undefined {
    const row = prepared<[string], { id: string }>(
      this.#db,
      'SELECT id FROM steps WHERE trajectory_id = ? AND prompt_suffix IS NOT NULL ORDER BY idx DESC LIMIT 1',
    ).get(trajectoryId);
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

/** In a canonical text fields are sorted: that of a system message ends with its role. */
function isSystem(body: string): boolean {
  return body.endsWith('"role":"system"}');
}

/**
 * Row numbers by hash, in two generations: when the younger is full it becomes the older, and the older is dropped.
 */
class RowCache {
  readonly #limit: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  /** Rows of the open transaction, which may be rolled back. */
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

  settled(committed: boolean): void {
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
