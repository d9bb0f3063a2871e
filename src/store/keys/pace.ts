/**
 * How many answers each key is given in ten minutes, and which key is given far more than it was before: a burst, be it
 * a program in a loop or somebody who wants to teach. Counted where usage is, a sum per key and transaction.
 */
import type { Burst } from '../../core/learning/views.js';
import { prepared, type Db } from '../file/db.js';

const MINUTES = 10;
const SPAN_MS = MINUTES * 60_000;
/** So many spans are remembered: a week. */
const KEPT = (7 * 24 * 60) / MINUTES;
/** A burst is so many times what a key's span usually has, and no fewer answers than this. Both are choices. */
const TIMES = 5;
const FEWEST = 30;

const spanOf = (at: number): number => Math.floor(at / SPAN_MS);

/** Sums of one transaction. */
export class PaceSums {
  readonly #sums = new Map<string, { readonly keyId: string; readonly span: number; answers: number }>();

  clear(): void {
    this.#sums.clear();
  }

  add(keyId: string, at: number): void {
    const span = spanOf(at);
    const known = this.#sums.get(`${keyId}\n${span}`);
    if (known === undefined) this.#sums.set(`${keyId}\n${span}`, { keyId, span, answers: 1 });
    else known.answers += 1;
  }

  /** Inside the transaction, at its end. What is older than a week goes when a key's next span begins. */
  write(db: Db): void {
    for (const { keyId, span, answers } of this.#sums.values()) {
      const known = prepared<[number, string, number]>(
        db,
        'UPDATE key_pace SET answers = answers + ? WHERE key_id = ? AND span = ?',
      ).run(answers, keyId, span);
      if (known.changes > 0) continue;
      prepared<[string, number, number]>(db, 'INSERT INTO key_pace (key_id, span, answers) VALUES (?, ?, ?)').run(
        keyId,
        span,
        answers,
      );
      prepared<[string, number]>(db, 'DELETE FROM key_pace WHERE key_id = ? AND span < ?').run(keyId, span - KEPT);
    }
  }
}

/**
 * The keys with a burst in the ten minutes before `now`, the biggest first. The span that is not over is added to the
 * part of the one before that is within the ten minutes, as if its answers had come evenly.
 */
export function burstsAt(db: Db, now: number = Date.now()): Burst[] {
  const span = spanOf(now);
  const before = 1 - (now - span * SPAN_MS) / SPAN_MS;
  return prepared<[{ span: number; before: number }], { id: string; name: string; answers: number; usual: number }>(
    db,
    `SELECT k.id AS id, k.name AS name,
      sum(CASE p.span WHEN @span THEN p.answers WHEN @span - 1 THEN p.answers * @before ELSE 0 END) AS answers,
      coalesce(avg(CASE WHEN p.span < @span - 1 THEN p.answers END), 0) AS usual
    FROM keys k JOIN key_pace p ON p.key_id = k.id AND p.span > @span - ${KEPT} AND p.span <= @span
    WHERE EXISTS (SELECT 1 FROM key_pace q WHERE q.key_id = k.id AND q.span >= @span - 1)
    GROUP BY k.id`,
  )
    .all({ span, before })
    .filter(({ answers, usual }) => answers >= FEWEST && answers > TIMES * usual)
    .sort((a, b) => b.answers - a.answers)
    .map(({ id, name, answers, usual }) => ({
      key_id: id,
      name,
      answers: Math.round(answers),
      minutes: MINUTES,
      usual: Math.round(10 * usual) / 10,
    }));
}
