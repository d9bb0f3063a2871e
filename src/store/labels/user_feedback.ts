/** What users said of one logged step, in words, as a judge may be shown it; not what it should have been. */
import { type Rating, ratingOf } from '../../core/judging/feedback.js';
import { prepared, type Db } from '../file/db.js';
import { IS_ANSWER, IS_CHOICE, STEP_WITH_ALL } from './step_facts.js';

/** Comments that are told, the newest. */
const COMMENTS = 3;

interface Row {
  readonly keyId: string;
  readonly value: number | null;
  readonly step: number | null;
  readonly comment: string | null;
}

interface Place {
  readonly at: number;
  readonly isAnswer: 0 | 1;
  readonly isChoice: 0 | 1;
}

/** Undefined where nobody has said anything of it, or of the whole answer that it is a part of. */
export function userFeedback(db: Db, stepId: string, responseId: string): string | undefined {
  const rows = prepared<[string], Row>(
    db,
    'SELECT key_id AS keyId, value, step, comment FROM feedback WHERE response_id = ? ORDER BY rowid',
  ).all(responseId);
  if (rows.length === 0) return undefined;
  const place = prepared<[string], Place>(
    db,
    `SELECT ${IS_ANSWER} AS isAnswer, ${IS_CHOICE} AS isChoice, (SELECT count(*) FROM steps b
        WHERE b.trajectory_id = s.trajectory_id AND b.response_id = s.response_id AND b.idx < s.idx) AS at
      FROM ${STEP_WITH_ALL} WHERE s.id = ?`,
  ).get(stepId);
  if (place === undefined) return undefined;
  const isChoice = place.isChoice === 1;
  const about = rows.filter(({ step }) => (step === null ? !isChoice : step === place.at));
  const said = [...rating(about, place), ...comments(about)];
  return said.length === 0 ? undefined : said.join('\n');
}

function rating(rows: readonly Row[], { at, isAnswer, isChoice }: Place): string[] {
  const ratings = rows.flatMap(({ keyId, value, step }): Rating[] =>
    value === null ? [] : [{ keyId, value, step: step ?? undefined }],
  );
  const said = ratingOf(ratings, { at, isAnswer: isAnswer === 1, isChoice: isChoice === 1 });
  if (said === undefined) return [];
  if (said.kind === 'absent') return [said.reason];
  const ofTheWhole = isAnswer === 0 && ratings.every(({ step }) => step === undefined);
  return [`rated ${said.good ? 'good' : 'bad'}${ofTheWhole ? ', the whole answer that it is a part of' : ''}`];
}

/** Each once, the oldest of the newest first. */
function comments(rows: readonly Row[]): string[] {
  const texts = rows.flatMap(({ comment }) => (comment === null || comment.trim() === '' ? [] : [comment.trim()]));
  return [...new Set(texts)].slice(-COMMENTS).map((text) => `comment: ${text}`);
}
