/** Whether the ledger has what gateways knew to be committed. */
import type { Head, headsIn } from '../intake/heads.js';
import { prepared, type Db } from '../file/db.js';
import type { AnswerTally } from './answer_tally.js';

export function holdsHead(db: Pick<Db, '$client'>, { seq, hash }: Pick<Head, 'seq' | 'hash'>): boolean {
  const row = prepared<[number], { hash: string }>(db, 'SELECT hash FROM ledger WHERE seq = ?').get(seq);
  return row?.hash === hash;
}

/** The heads that a ledger, whose answers are counted, does not agree with. */
export function* contradicted(
  heads: ReturnType<typeof headsIn>,
  db: Pick<Db, '$client'>,
  answers: AnswerTally,
): Generator<{ readonly file: string; readonly problem: string }> {
  for (const { file, head } of heads) {
    const { seq, writer } = head;
    if (!holdsHead(db, head))
      yield { file, problem: `row ${seq} of the ledger was committed, and is not there: its end is lost` };
    else if (answers.of(writer) < head.answers) {
      const entered = `${answers.of(writer)} are entered`;
      yield { file, problem: `${head.answers} answers of the log ${writer} were acknowledged, and ${entered}` };
    }
  }
}
