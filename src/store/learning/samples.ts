/** Samples: the group of actions drawn for one state. */
import { eq } from 'drizzle-orm';

import type { Sample } from '../../core/learning/sample.js';
import { prepared, type Db } from '../file/db.js';
import { samples } from '../file/schema.js';
import { packF32, packU32, unpackF32, unpackU32 } from '../file/tokens.js';

/**
 * All samples of one state in one transaction: a state has its whole group or nothing. Nothing where it was deleted
 * meanwhile.
 */
export function saveSamples(db: Db, list: readonly Sample[]): void {
  db.transaction(
    (tx) => {
      for (const { promptTokenIds, tokenIds, logprobs, text, calls, temperature, cut, ...row } of list) {
        if (!isThere(db, row.stepId)) continue;
        const body = JSON.stringify({ text, calls, temperature, cut });
        tx.insert(samples)
          .values({
            ...row,
            body,
            promptTokenIds: packU32(promptTokenIds),
            tokenIds: packU32(tokenIds),
            logprobs: packF32(logprobs),
          })
          .run();
      }
    },
    { behavior: 'immediate' },
  );
}

function isThere(db: Db, stepId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM steps WHERE id = ?').get(stepId) !== undefined;
}

export function samplesOf(db: Db, cycleId: string): Sample[] {
  return db
    .select()
    .from(samples)
    .where(eq(samples.cycleId, cycleId))
    .orderBy(samples.id)
    .all()
    .map(({ body, ...row }) => ({
      ...row,
      ...(JSON.parse(body) as Pick<Sample, 'text' | 'calls' | 'temperature' | 'cut'>),
      promptTokenIds: unpackU32(row.promptTokenIds),
      tokenIds: unpackU32(row.tokenIds),
      logprobs: unpackF32(row.logprobs),
    }));
}
