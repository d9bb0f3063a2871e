/** The tables of API keys, and of what each was given. The ledger holds none of them: they move. */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** API keys; `hash` is all that is kept of the secret. A bound that is null does not bound. */
export const keys = sqliteTable('keys', {
  id: text().primaryKey(),
  name: text().notNull(),
  role: text({ enum: ['client', 'admin'] }).notNull(),
  hash: text().notNull().unique(),
  train: integer({ mode: 'boolean' }).notNull(),
  createdAt: integer('created_at').notNull(),
  revokedAt: integer('revoked_at'),
  /** JSON list of server tools; null means the gateway's default, and any by name. */
  tools: text(),
  requestsPerMinute: integer('requests_per_minute'),
  tokensPerMinute: integer('tokens_per_minute'),
  concurrent: integer(),
  monthlyTokens: integer('monthly_tokens'),
});

/**
 * What each key used in each month of UTC. Counted beside the log and not from it: deleting a trajectory gives
 * nothing back. Moves, so the ledger does not hold it.
 */
export const keyUsage = sqliteTable(
  'key_usage',
  {
    keyId: text('key_id').notNull(),
    /** `2026-11`. */
    month: text().notNull(),
    requests: integer().notNull(),
    /** Prompt and completion of all steps. */
    tokens: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.month] })],
);

/**
 * How many answers each key was given in each span of ten minutes, for some days: by it a burst is told from what the
 * key does otherwise. Counted beside the log as `keyUsage` is.
 */
export const keyPace = sqliteTable(
  'key_pace',
  {
    keyId: text('key_id').notNull(),
    /** Spans since 1970. */
    span: integer().notNull(),
    answers: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.span] })],
);
