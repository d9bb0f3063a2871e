/**
 * What each key used in each month of UTC. A sum of its own, written in the transaction that ends a response: it
 * survives a restart, is the same for every gateway on the data folder, and is not reduced when a trajectory is
 * deleted.
 */
import { eq } from 'drizzle-orm';

import { prepared, type Db } from '../file/db.js';
import { keyUsage } from '../file/schema.js';
import { PaceSums } from './pace.js';

export interface MonthlyUsage {
  readonly requests: number;
  /** Prompt and completion of every step. */
  readonly tokens: number;
}

/** `2026-11`. */
export function monthOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7);
}

/** Tokens a key has used in the month of `at`. */
export function tokensUsed(db: Db, keyId: string, at: number): number {
  return (
    prepared<[string, string], { tokens: number }>(
      db,
      'SELECT tokens FROM key_usage WHERE key_id = ? AND month = ?',
    ).get(keyId, monthOf(at))?.tokens ?? 0
  );
}

/** What was used in the month of `at`, by key; a key without a request is absent. */
export function usageOf(db: Db, at: number): ReadonlyMap<string, MonthlyUsage> {
  return new Map(
    db
      .select()
      .from(keyUsage)
      .where(eq(keyUsage.month, monthOf(at)))
      .all()
      .map(({ keyId, requests, tokens }) => [keyId, { requests, tokens }]),
  );
}

/** Sums of one transaction: one write per key, however many responses ended in it. */
export class UsageSums {
  readonly #sums = new Map<
    string,
    { readonly keyId: string; readonly month: string; requests: number; tokens: number }
  >();
  readonly #pace = new PaceSums();

  clear(): void {
    this.#sums.clear();
    this.#pace.clear();
  }

  add(keyId: string, at: number, tokens: number): void {
    this.#pace.add(keyId, at);
    const month = monthOf(at);
    const known = this.#sums.get(`${keyId}\n${month}`);
    if (known === undefined) this.#sums.set(`${keyId}\n${month}`, { keyId, month, requests: 1, tokens });
    else {
      known.requests += 1;
      known.tokens += tokens;
    }
  }

  /** Inside the transaction, at its end. */
  write(db: Db): void {
    this.#pace.write(db);
    for (const { keyId, month, requests, tokens } of this.#sums.values()) {
      prepared<[string, string, number, number]>(
        db,
        `INSERT INTO key_usage (key_id, month, requests, tokens) VALUES (?, ?, ?, ?)
        ON CONFLICT (key_id, month) DO UPDATE SET requests = requests + excluded.requests,
          tokens = tokens + excluded.tokens`,
      ).run(keyId, month, requests, tokens);
    }
  }
}
