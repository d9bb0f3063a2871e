/**
 * The ledger: what was committed, in which order, with the hash of every row's content. Each ledger row
 * is chained to the one before, so that a changed, missing or reordered row cannot hide. Rows of the
 * log and of the learning clock enter in the transaction that adds them.
 */
import { desc } from 'drizzle-orm';

import { internal } from '../../core/errors.js';
import { sha256, type Hash } from '../../core/text/hash.js';
import type { Tx } from './db.js';
import { shapeOf, type Shape, type SqlValue } from './rows.js';
import {
  calibrations,
  decisions,
  deletions,
  deletionVersions,
  evaluations,
  feedback,
  labels,
  ledger,
  prunings,
  responses,
  samples,
  steps,
  trajectories,
  verdicts,
  versions,
  withdrawals,
} from './schema.js';

/**
 * Tables whose rows are never changed. A row of those that must be ledgered that is in no ledger row is a fault; the
 * others may be entered.
 */
export const LEDGERED = {
  trajectories,
  steps,
  responses,
  feedback,
  verdicts,
  deletions,
  deletion_versions: deletionVersions,
  withdrawals,
  prunings,
  decisions,
  calibrations,
  samples,
  versions,
  evaluations,
  labels,
} as const;
export const MUST_BE_LEDGERED = [
  'trajectories',
  'steps',
  'responses',
  'feedback',
  'verdicts',
  'deletions',
  'deletion_versions',
  'withdrawals',
  'prunings',
  'decisions',
  'calibrations',
  'labels',
] as const;
export type LedgerTable = keyof typeof LEDGERED;

/** Table, id, and the content hash of the row. */
export type LedgerEntry = readonly [table: string, id: string, hash: Hash];

export interface LedgerRow {
  readonly seq: number;
  readonly at: number;
  readonly entries: string;
  readonly prev: Hash | '';
  readonly hash: Hash;
  /** Null where no log of a gateway has written it. */
  readonly writer: string | null;
  readonly answers: number | null;
}

/** How many answers the log of one gateway has acknowledged. */
export interface Acknowledged {
  readonly writer: string;
  readonly answers: number;
}

const shapes = Object.fromEntries(Object.entries(LEDGERED).map(([name, table]) => [name, shapeOf(table)])) as {
  readonly [K in LedgerTable]: Shape<(typeof LEDGERED)[K]>;
};

export function isLedgered(table: string): table is LedgerTable {
  return Object.hasOwn(LEDGERED, table);
}

export function ledgeredShape<K extends LedgerTable>(table: K): Shape<(typeof LEDGERED)[K]> {
  return shapes[table];
}

/** The column a ledger entry's id stands in. */
export function idColumn(table: LedgerTable): string {
  return table === 'versions' ? 'version' : 'id';
}

/** Hash of every content column of a row in drizzle's insert form. */
export function contentHashOf<K extends LedgerTable>(table: K, row: (typeof LEDGERED)[K]['$inferInsert']): Hash {
  return contentHash(shapes[table], shapes[table].values(row));
}

/**
 * {@link contentHashOf} of a row as the driver has it. Columns go by name and absent ones are left out,
 * so a column that a later migration adds does not change the hash of an older row.
 */
export function contentHash(shape: Pick<Shape, 'name' | 'columns'>, values: readonly SqlValue[]): Hash {
  // JSON of [table, column, value, ...], written out: a list of seventy made for each row took twice as long.
  let text = `[${JSON.stringify(shape.name)}`;
  let blobs: Buffer[] | undefined;
  for (const { at, key } of byName(shape)) {
    const value = values[at];
    switch (typeof value) {
      case 'string':
        text += key + JSON.stringify(value);
        break;
      case 'number':
        text += key + (Number.isFinite(value) ? String(value) : 'null');
        break;
      case 'bigint':
        text += `${key}"${value}"`;
        break;
      default:
        if (value === null || value === undefined) break;
        text += `${key}{"bytes":${value.length}}`;
        (blobs ??= []).push(value);
    }
  }
  text += ']';
  return sha256(blobs === undefined ? text : Buffer.concat([Buffer.from(text), ...blobs]));
}

interface HashedColumn {
  readonly at: number;
  /** `,"name",` */
  readonly key: string;
}

const orders = new WeakMap<object, readonly HashedColumn[]>();

/** The hashed columns, in the order of their names. */
function byName(shape: Pick<Shape, 'columns'>): readonly HashedColumn[] {
  let order = orders.get(shape);
  if (order === undefined) {
    const named = shape.columns
      .map((column, at) => [column, at] as const)
      .filter(([column]) => column !== 'content_hash');
    order = named
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([column, at]) => ({ at, key: `,${JSON.stringify(column)},` }));
    orders.set(shape, order);
  }
  return order;
}

/** The row that follows `last`. */
export function nextLedgerRow(
  last: Pick<LedgerRow, 'seq' | 'hash'> | undefined,
  at: number,
  entries: readonly LedgerEntry[],
  acknowledged?: Acknowledged,
): LedgerRow {
  const row = {
    seq: (last?.seq ?? 0) + 1,
    at,
    entries: JSON.stringify(entries),
    prev: last?.hash ?? '',
    writer: acknowledged?.writer ?? null,
    answers: acknowledged?.answers ?? null,
  };
  return { ...row, hash: ledgerHash(row) };
}

/** Without both, as in every row of earlier builds, it is hashed as it was then. */
export function ledgerHash({ seq, at, prev, entries, writer, answers }: Omit<LedgerRow, 'hash'>): Hash {
  const signed = writer === null && answers === null ? '' : `\n${JSON.stringify([writer, answers])}`;
  return sha256(`ledger\n${seq}\n${at}\n${prev}\n${entries}${signed}`);
}

/** Enters rows added in the same transaction, which must have begun as `immediate`. Nothing to enter is no row. */
export function appendLedger(tx: Tx, entries: readonly LedgerEntry[], at: number = Date.now()): void {
  if (entries.length === 0) return;
  const stranger = entries.find(([table]) => !isLedgered(table));
  if (stranger !== undefined)
    throw internal(
      `the table "${stranger[0]}" is not kept in the ledger; known are ${Object.keys(LEDGERED).join(', ')}`,
    );
  const last = tx.select({ seq: ledger.seq, hash: ledger.hash }).from(ledger).orderBy(desc(ledger.seq)).limit(1).get();
  tx.insert(ledger)
    .values(nextLedgerRow(last, at, entries))
    .run();
}
