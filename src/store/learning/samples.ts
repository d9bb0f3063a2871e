/**
 * Samples: the group of actions drawn for one state. All of a group have one prompt, which is nearly always the very
 * prompt of the step: it is stored where it is another, and once.
 */
import { and, eq } from 'drizzle-orm';

import { internal } from '../../core/errors.js';
import type { Sample } from '../../core/learning/sample.js';
import { prepared, type Db } from '../file/db.js';
import { samples } from '../file/schema.js';
import { packF32, packU32, unpackF32, unpackU32 } from '../file/tokens.js';
import { readContext } from '../log/prompt.js';

type Row = typeof samples.$inferSelect;
type Body = Pick<Sample, 'text' | 'calls' | 'temperature' | 'cut' | 'bound'>;

/** Samples of states, all in one transaction. Nothing where the state was deleted meanwhile. */
export function saveSamples(db: Db, policy: string, list: readonly Sample[]): void {
  db.transaction(
    (tx) => {
      const stored = new StoredPrompts(db);
      for (const { promptTokenIds, tokenIds, logprobs, text, calls, temperature, cut, bound, ...row } of list) {
        if (!isThere(db, row.stepId)) continue;
        const body = JSON.stringify({ text, calls, temperature, cut, bound } satisfies Body);
        const prompt = packU32(promptTokenIds);
        const promptOf = stored.ownerOf(row, prompt);
        tx.insert(samples)
          .values({
            ...row,
            policy,
            body,
            promptOf,
            promptTokenIds: promptOf === null ? prompt : Buffer.alloc(0),
            tokenIds: packU32(tokenIds),
            logprobs: packF32(logprobs),
          })
          .run();
      }
    },
    { behavior: 'immediate' },
  );
}

/** Whose prompts are stored already, of those that are saved together. */
class StoredPrompts {
  readonly #db: Db;
  /** By step: who has which prompt. */
  readonly #byStep = new Map<string, { readonly owner: string; readonly prompt: Buffer }[]>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** Null where it is its own. */
  ownerOf({ id, stepId }: Pick<Row, 'id' | 'stepId'>, prompt: Buffer): string | null {
    let known = this.#byStep.get(stepId);
    if (known === undefined) {
      const context = readContext(this.#db, stepId);
      known = context === undefined ? [] : [{ owner: stepId, prompt: packU32(context.prompt) }];
      this.#byStep.set(stepId, known);
    }
    const same = known.find((stored) => stored.prompt.equals(prompt));
    if (same !== undefined) return same.owner;
    known.push({ owner: id, prompt });
    return null;
  }
}

export function isThere(db: Db, stepId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM steps WHERE id = ?').get(stepId) !== undefined;
}

export function samplesOf(db: Db, policy: string, cycleId: string): Sample[] {
  const isOf = and(eq(samples.policy, policy), eq(samples.cycleId, cycleId));
  return read(db, db.select().from(samples).where(isOf).orderBy(samples.id).all());
}

/** The group of one state in one cycle. */
export function samplesAt(db: Db, policy: string, cycleId: string, stepId: string): Sample[] {
  const isOf = and(eq(samples.policy, policy), eq(samples.cycleId, cycleId), eq(samples.stepId, stepId));
  return read(db, db.select().from(samples).where(isOf).orderBy(samples.id).all());
}

function read(db: Db, rows: readonly Row[]): Sample[] {
  const prompts = new Map<string, readonly number[]>();
  const promptOf = (row: Row): readonly number[] => {
    const owner = row.promptOf ?? row.id;
    let prompt = prompts.get(owner);
    if (prompt === undefined) prompts.set(owner, (prompt = readPrompt(db, row)));
    return prompt;
  };
  return rows.map((row) => {
    const { body, promptOf: _, policy: __, ...rest } = row;
    return {
      ...rest,
      ...(JSON.parse(body) as Body),
      promptTokenIds: promptOf(row),
      tokenIds: unpackU32(row.tokenIds),
      logprobs: unpackF32(row.logprobs),
    };
  });
}

function readPrompt(db: Db, { id, stepId, promptOf, promptTokenIds }: Row): number[] {
  if (promptOf === null) return unpackU32(promptTokenIds);
  if (promptOf === stepId) {
    const context = readContext(db, stepId);
    if (context !== undefined) return Array.from(context.prompt);
  }
  const other = db.select().from(samples).where(eq(samples.id, promptOf)).get();
  if (other === undefined) throw internal(`the prompt of sample ${id} is that of ${promptOf}, which is missing`);
  return unpackU32(other.promptTokenIds);
}
