/** The size of the file: how much of it is used, and giving back what is not. */
import type Database from 'better-sqlite3';

import type { Db } from '../file/db.js';

/** Pages that one transaction gives back. */
const PAGES = 256;
/** So much stays free for what comes next: a file that shrinks and grows again is written twice. */
const SPARE_BYTES = 16 * 1024 * 1024;

type Connection = Pick<Db, '$client'>;

/** Bytes of the file that hold something. */
export function usedBytes({ $client }: Connection): number {
  return (number($client, 'page_count') - number($client, 'freelist_count')) * number($client, 'page_size');
}

/** Bytes of the file that hold nothing. */
export function freeBytes({ $client }: Connection): number {
  return number($client, 'freelist_count') * number($client, 'page_size');
}

/** Whether it can be given back bit by bit: not in a file of an earlier version, which has to be written anew once. */
export function shrinks({ $client }: Connection): boolean {
  return number($client, 'auto_vacuum') === 2;
}

/** Gives some free pages back to the disk, in one short transaction. False when there is nothing to give back. */
export function shrink(db: Connection, spare = SPARE_BYTES): boolean {
  if (!shrinks(db) || freeBytes(db) <= spare) return false;
  db.$client.exec(`PRAGMA incremental_vacuum(${PAGES})`);
  return true;
}

/** Writes the whole file anew, without what is free. Nobody else can write meanwhile; it needs as much disk again. */
export function compact({ $client }: Connection): void {
  $client.pragma('auto_vacuum = INCREMENTAL');
  $client.exec('VACUUM');
  $client.pragma('wal_checkpoint(TRUNCATE)');
}

function number(sqlite: Database.Database, pragma: string): number {
  return sqlite.pragma(pragma, { simple: true }) as number;
}
