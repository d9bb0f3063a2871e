/** What each judge has said, failed at and taken, and the words by which judges are compared. */
import type { JudgeCounts, JudgeFacts, Words } from '../../core/judging/facts.js';
import type { WaitingJudge } from '../../core/learning/cycle.js';
import { prepared, type Db } from '../file/db.js';

/** Verdicts on steps among which agreement is looked for, and steps that people have judged. */
const NEWEST = 20_000;
const DAY_MS = 24 * 60 * 60 * 1000;

export function judgeFacts(db: Db, now: number = Date.now()): JudgeFacts {
  return { counts: countsOf(db, now), newest: newestWords(db), labelled: labelledWords(db) };
}

function countsOf(db: Db, now: number): readonly JudgeCounts[] {
  type Said = Pick<JudgeCounts, 'judge' | 'good' | 'bad' | 'abstained'>;
  const said = prepared<[], Said>(
    db,
    `SELECT judge, sum(good IS 1) AS good, sum(good IS 0) AS bad, sum(good IS NULL) AS abstained
      FROM verdicts GROUP BY judge`,
  ).all();
  const failed = waitingJudges(db);
  const costs = costsOf(db, now);
  const names = new Set([...said, ...failed, ...costs].map(({ judge }) => judge));
  const of = <T extends { readonly judge: string }>(list: readonly T[], judge: string): T | undefined =>
    list.find((each) => each.judge === judge);
  return [...names].sort().map((judge) => {
    const [words, faults, cost] = [of(said, judge), of(failed, judge), of(costs, judge)];
    return {
      judge,
      good: words?.good ?? 0,
      bad: words?.bad ?? 0,
      abstained: words?.abstained ?? 0,
      waiting: faults?.subjects ?? 0,
      reason: faults?.reason,
      promptTokens: cost?.promptTokens ?? 0,
      completionTokens: cost?.completionTokens ?? 0,
      ms: cost?.ms ?? 0,
      money: cost?.money ?? undefined,
      today: cost?.today ?? 0,
    };
  });
}

type Costs = Pick<JudgeCounts, 'judge' | 'promptTokens' | 'completionTokens' | 'ms' | 'today'> & {
  readonly money: number | null;
};

/** What each judge took, comparisons of live answers as well; money as far as a price was known. */
export function costsOf(db: Db, now: number = Date.now()): readonly Costs[] {
  return prepared<[number], Costs>(
    db,
    `SELECT judge, sum(prompt_tokens) AS promptTokens, sum(completion_tokens) AS completionTokens, sum(ms) AS ms,
        sum(money) AS money,
        sum(CASE WHEN created_at >= ? THEN prompt_tokens + completion_tokens ELSE 0 END) AS today
      FROM (
        SELECT judge, prompt_tokens, completion_tokens, ms, money, created_at FROM judge_costs
        UNION ALL SELECT judge, prompt_tokens, completion_tokens, ms, money, created_at FROM live_comparisons)
      GROUP BY judge`,
  ).all(Math.floor(now / DAY_MS) * DAY_MS);
}

export function waitingJudges(db: Db): readonly WaitingJudge[] {
  // Of the bare column SQLite takes the row that has the maximum.
  return prepared<[], WaitingJudge & { readonly at: number }>(
    db,
    'SELECT judge, count(*) AS subjects, reason, max(due_at) AS at FROM judge_attempts GROUP BY judge',
  )
    .all()
    .map(({ at: _, ...waiting }) => waiting);
}

interface Row {
  readonly id: string;
  readonly judge: string;
  readonly good: 0 | 1 | null;
}

const COLUMNS = 'v.subject_id AS id, v.judge, v.good';

function newestWords(db: Db): readonly Words[] {
  return together(
    prepared<[], Row>(
      db,
      `SELECT ${COLUMNS} FROM (SELECT * FROM verdicts WHERE subject_kind = 'step' ORDER BY rowid DESC LIMIT ${NEWEST}) v
        ORDER BY v.created_at, v.id`,
    ).all(),
  );
}

function labelledWords(db: Db): readonly Words[] {
  return together(
    prepared<[], Row>(
      db,
      `SELECT ${COLUMNS} FROM (SELECT DISTINCT subject_id FROM verdicts WHERE subject_kind = 'step' AND judge = 'person'
          LIMIT ${NEWEST}) p
        JOIN verdicts v ON v.subject_kind = 'step' AND v.subject_id = p.subject_id
        ORDER BY v.created_at, v.id`,
    ).all(),
  );
}

/** The last word of each judge counts, and says nothing where it is none. */
function together(rows: readonly Row[]): readonly Words[] {
  const by = new Map<string, Map<string, boolean>>();
  for (const { id, judge, good } of rows) {
    const words = by.get(id) ?? new Map<string, boolean>();
    if (good === null) words.delete(judge);
    else words.set(judge, good === 1);
    by.set(id, words);
  }
  return [...by].flatMap(([id, words]) => (words.size === 0 ? [] : [{ id, said: Object.fromEntries(words) }]));
}
