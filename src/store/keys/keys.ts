/** API keys. The secret is shown once; only its hash is kept. */
import { randomBytes } from 'node:crypto';

import { and, eq, isNull, or } from 'drizzle-orm';

import { operatorError } from '../../core/errors.js';
import { sha256 } from '../../core/text/hash.js';
import { newId } from '../../core/ids.js';
import { type Key, KEY_LIMITS, type KeyLimits, type KeyList, type Role } from '../../core/key.js';
import type { Db } from '../file/db.js';
import { keys } from '../file/schema.js';
import { UsageSums } from './usage.js';

/** A key as it is kept: also what it is called, and when it came and went. */
export interface StoredKey extends Key {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly revokedAt?: number | undefined;
}

/** What can be set when a key is made, and changed afterwards; null removes a bound or the list of tools. */
export interface KeyChanges {
  readonly role?: Role;
  readonly train?: boolean;
  readonly tools?: readonly string[] | null;
  readonly limits?: { readonly [K in keyof KeyLimits]: number | null };
}

/** Makes a key. The secret is only in what is returned. Throws an operator error when the name is in use. */
export function addKey(
  db: Db,
  { name, at = Date.now(), ...settings }: KeyChanges & { readonly name: string; readonly at?: number },
): { readonly key: StoredKey; readonly secret: string } {
  if (name.trim() === '') throw operatorError('a key needs a name: `gyre keys add NAME`.');
  const secret = `gyre_sk_${randomBytes(32).toString('base64url')}`;
  const row = db.transaction(
    (tx) => {
      const taken = tx
        .select({ id: keys.id })
        .from(keys)
        .where(and(eq(keys.name, name), isNull(keys.revokedAt)))
        .get();
      if (taken !== undefined)
        throw operatorError(
          `there is a key named "${name}" already. Choose another name, or \`gyre keys revoke ${name}\` first.`,
        );
      return tx
        .insert(keys)
        .values({
          id: newId('key', at),
          name,
          createdAt: at,
          hash: sha256(secret),
          role: 'client',
          train: true,
          ...columnsOf(settings),
        })
        .returning()
        .get();
    },
    { behavior: 'immediate' },
  );
  return { key: keyOf(row), secret };
}

/** Changes the unrevoked key with this name or id. Undefined when there is none. */
export function changeKey(db: Db, nameOrId: string, changes: KeyChanges): StoredKey | undefined {
  const row = db.update(keys).set(columnsOf(changes)).where(inUse(nameOrId)).returning().get() as
    typeof keys.$inferSelect | undefined;
  return row === undefined ? undefined : keyOf(row);
}

/** Every key ever made, oldest first. */
export function listKeys(db: Db): StoredKey[] {
  return db.select().from(keys).orderBy(keys.id).all().map(keyOf);
}

/** Whether a key is an admin's, also one that was revoked since. */
export function isAdminKey(db: Db, id: string): boolean {
  return db.select({ role: keys.role }).from(keys).where(eq(keys.id, id)).get()?.role === 'admin';
}

/** Ends the key with this name or id. Undefined when there is none in use. */
export function revokeKey(db: Db, nameOrId: string, at: number = Date.now()): StoredKey | undefined {
  const row = db.update(keys).set({ revokedAt: at }).where(inUse(nameOrId)).returning().get() as
    typeof keys.$inferSelect | undefined;
  return row === undefined ? undefined : keyOf(row);
}

/** Every key in use; undefined where that is still the list with the stamp `seen`. */
export function keyList(db: Db, seen?: string): KeyList | undefined {
  const rows = db.select().from(keys).orderBy(keys.id).all();
  const stamp = sha256(JSON.stringify(rows));
  if (stamp === seen) return undefined;
  return {
    stamp,
    any: rows.length > 0,
    keys: rows.flatMap((row) => (row.revokedAt === null ? [[row.hash, keyOf(row)] as const] : [])),
  };
}

/** Counts a request that is not logged. */
export function countUse(db: Db, keyId: string, at: number, tokens: number): void {
  const sums = new UsageSums();
  sums.add(keyId, at, tokens);
  sums.write(db);
}

function inUse(nameOrId: string): ReturnType<typeof and> {
  return and(or(eq(keys.name, nameOrId), eq(keys.id, nameOrId)), isNull(keys.revokedAt));
}

function columnsOf({ role, train, tools, limits = {} }: KeyChanges): Partial<typeof keys.$inferInsert> {
  return {
    ...(role === undefined ? {} : { role }),
    ...(train === undefined ? {} : { train }),
    ...(tools === undefined ? {} : { tools: tools === null ? null : JSON.stringify(tools) }),
    ...limits,
  };
}

function keyOf(row: typeof keys.$inferSelect): StoredKey {
  const { id, name, role, train, tools, createdAt, revokedAt } = row;
  const bounds = KEY_LIMITS.flatMap((limit) => (row[limit] === null ? [] : [[limit, row[limit]] as const]));
  return {
    id,
    name,
    role,
    train,
    ...(tools === null ? {} : { tools: JSON.parse(tools) as string[] }),
    ...(bounds.length === 0 ? {} : { limits: Object.fromEntries(bounds) }),
    createdAt,
    ...(revokedAt === null ? {} : { revokedAt }),
  };
}
