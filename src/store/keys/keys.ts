/**
 * API keys. The secret is shown once; only its hash is kept. A running gateway stops accepting a key that another
 * process revoked within {@link CACHE_MS}.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';

import { and, eq, isNull, or } from 'drizzle-orm';

import { operatorError } from '../../core/errors.js';
import { sha256, type Hash } from '../../core/text/hash.js';
import { newId } from '../../core/ids.js';
import { type Key, KEY_LIMITS, type KeyLimits, type Keys, type Role } from '../../core/key.js';
import { prepared, type Db } from '../file/db.js';
import { keys } from '../file/schema.js';
import { tokensUsed, UsageSums } from './usage.js';

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

/** Milliseconds a key is cached after it was looked up. */
export const CACHE_MS = 2_000;
/** Keys in the cache; when there are more it is emptied. */
const CACHE_KEYS = 10_000;

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

export interface Keyring extends Keys {
  find(secret: string): StoredKey | undefined;
}

interface CachedKey {
  readonly key: StoredKey;
  readonly until: number;
}

/**
 * `now` says which month it is. `elapsed` are milliseconds that only grow, by which what was looked up grows old: a
 * clock that is set back must keep no revoked key alive.
 */
export function openKeyring(
  db: Db,
  now?: () => number,
  elapsed: () => number = now ?? (() => performance.now()),
): Keyring {
  const month = now ?? Date.now;
  const known = new Map<Hash, CachedKey>();
  let required = false;
  let askAgain = Number.NEGATIVE_INFINITY;
  return {
    required(): boolean {
      // Keys are never deleted, so "yes" holds for good.
      if (!required && elapsed() >= askAgain) {
        required = prepared<[]>(db, 'SELECT 1 FROM keys LIMIT 1').get() !== undefined;
        askAgain = elapsed() + CACHE_MS;
      }
      return required;
    },
    find(secret: string): StoredKey | undefined {
      const hash = sha256(secret);
      const cached = known.get(hash);
      if (cached !== undefined && elapsed() < cached.until) return cached.key;
      known.delete(hash);
      const row = db.select().from(keys).where(eq(keys.hash, hash)).get();
      if (row === undefined || row.revokedAt !== null || !sameHash(row.hash, hash)) return undefined;
      const key = keyOf(row);
      if (known.size >= CACHE_KEYS) known.clear();
      known.set(hash, { key, until: elapsed() + CACHE_MS });
      return key;
    },
    spent: (keyId) => tokensUsed(db, keyId, month()),
    count(keyId, tokens) {
      const sums = new UsageSums();
      sums.add(keyId, month(), tokens);
      sums.write(db);
    },
  };
}

function sameHash(a: Hash, b: Hash): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
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
