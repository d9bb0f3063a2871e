/** The record of what was pruned: written in the transaction that takes the rows out, and read to know a gap. */
import { deflateSync, inflateSync } from 'node:zlib';

import { newId } from '../../core/ids.js';
import { sha256 } from '../../core/text/hash.js';
import { prepared, type Db, type Tx } from './db.js';
import { appendLedger, contentHashOf } from './ledger.js';
import { prunings } from './schema.js';

/** Ids that are taken out, by table. */
export type PrunedIds = ReadonlyMap<string, readonly string[]>;

/** Of one transaction: which trajectories, in the order of their ids, and every row of theirs that the ledger names. */
export function savePruning(tx: Tx, reason: string, pruned: PrunedIds, at: number): void {
  const trajectories = pruned.get('trajectories') ?? [];
  const text = JSON.stringify([...pruned].map(([table, ids]) => [table, ...ids]));
  const row = {
    id: newId('prn', at),
    reason,
    first: trajectories[0] ?? '',
    last: trajectories.at(-1) ?? '',
    counts: JSON.stringify(Object.fromEntries([...pruned].map(([table, ids]) => [table, ids.length]))),
    rowsHash: sha256(text),
    rows: deflateSync(text),
    createdAt: at,
  };
  tx.insert(prunings).values(row).run();
  appendLedger(tx, [['prunings', row.id, contentHashOf('prunings', row)]], at);
}

/** The ids a row lists, by table; throws where they are not what the row has the hash of. */
export function prunedIds({ rows, rowsHash }: { readonly rows: Buffer; readonly rowsHash: string }): PrunedIds {
  const text = inflateSync(rows).toString('utf8');
  if (sha256(text) !== rowsHash) throw new Error('the list of what was pruned is not what it has the hash of');
  const lists = JSON.parse(text) as [table: string, ...ids: string[]][];
  return new Map(lists.map(([table, ...ids]) => [table, ids]));
}

/** Whether a trajectory was pruned. */
export function isPruned(db: Pick<Db, '$client'>, trajectoryId: string): boolean {
  const rows = prepared<[string, string], { rows: Buffer; rowsHash: string }>(
    db,
    'SELECT rows, rows_hash AS rowsHash FROM prunings WHERE last >= ? AND first <= ?',
  ).all(trajectoryId, trajectoryId);
  return rows.some((row) => prunedIds(row).get('trajectories')?.includes(trajectoryId) === true);
}

/** Grows with every deletion and every pruning. */
export function removals(db: Pick<Db, '$client'>): number {
  const newest = prepared<[], { last: number }>(
    db,
    'SELECT (SELECT ifnull(max(rowid), 0) FROM deletions) + (SELECT ifnull(max(rowid), 0) FROM prunings) AS last',
  );
  return newest.get()?.last ?? 0;
}
