/** A trajectory in a few lines: first words, counts, how it ended and what was thought of it. */
import type { TrajectorySummary } from '../../core/reading.js';
import { prepared, type Db } from '../file/db.js';
import { decidingVerdict } from '../learning/decided.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';
import { seconds } from '../../core/seconds.js';
import { headOf, type StoredTrajectory } from './head.js';
import { answerRow, firstWords, lengthOf, newestQuestion, type Place, wordsOf } from './said.js';
import { actionOf } from './state.js';
import { messageOf } from '../log/chain.js';

/** The columns of a step that a summary needs. */
interface ShortStep extends Place {
  readonly id: string;
  readonly responseId: string;
  readonly policyVersion: number;
  readonly consent: 0 | 1;
  readonly calls: number;
  readonly notTrainable: string | null;
}

interface ShortResponse {
  readonly id: string;
  readonly outcome: TrajectorySummary['outcome'];
  readonly stopReason: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly createdAt: number;
  readonly ms: number;
}

const KEPT = 'response_id NOT IN (SELECT id FROM withdrawals)';
const STEPS = `SELECT id, response_id AS responseId, policy_version AS policyVersion, consent,
    json_array_length(calls) AS calls, not_trainable AS notTrainable, state_at AS stateAt, policy_at AS policyAt,
    client_at AS clientAt, state_tip AS stateTip, policy_tip AS policyTip, client_tip AS clientTip,
    action_tip AS actionTip
  FROM steps WHERE trajectory_id = ? AND ${KEPT} ORDER BY idx`;
const RESPONSES = `SELECT id, outcome, stop_reason AS stopReason, usage ->> 'prompt_tokens' AS promptTokens,
    usage ->> 'completion_tokens' AS completionTokens, created_at AS createdAt, ms
  FROM responses WHERE id IN (SELECT response_id FROM steps WHERE trajectory_id = ? AND ${KEPT})`;
const FEEDBACK = `SELECT coalesce(sum(value > 0), 0) AS good, coalesce(sum(value < 0), 0) AS bad,
    count(demonstration) AS demonstrations
  FROM feedback WHERE trajectory_id = ? AND ${KEPT}`;
const VERDICT = decidingVerdict('d.judge, d.good, d.score', '@responseId', '@id');

export function summaryOf(db: Db, row: StoredTrajectory): TrajectorySummary {
  const steps = prepared<[string], ShortStep>(db, STEPS).all(row.id);
  const responses = prepared<[string], ShortResponse>(db, RESPONSES).all(row.id);
  const newest = steps.at(-1);
  const ended = responses.find(({ id }) => id === newest?.responseId);
  const answer = newest === undefined ? undefined : answerRow(db, newest);
  const reasons = steps.flatMap(({ notTrainable, consent }) =>
    notTrainable !== null ? [notTrainable] : consent === 1 ? [] : ['no_consent'],
  );
  const verdict =
    newest === undefined
      ? undefined
      : prepared<[ShortStep], { judge: string; good: 0 | 1; score: number | null }>(db, VERDICT).get(newest);
  return {
    ...headOf(
      row,
      newest,
      ended,
      steps.every(({ consent }) => consent === 1),
    ),
    updated_at: seconds(ended?.createdAt ?? row.createdAt),
    ms: sum(responses.map(({ ms }) => ms)),
    question: firstWords(wordsOf(newest === undefined ? undefined : newestQuestion(db, newest.clientAt))),
    answer: firstWords(
      answer !== undefined ? wordsOf(messageOf(answer.body)) : newest === undefined ? '' : actionOf(db, newest).text,
    ),
    policy_versions: [
      ...new Set(steps.map(({ policyVersion }) => policyVersion).filter((version) => version !== UPSTREAM_STEP)),
    ],
    counts: {
      messages: newest === undefined ? 0 : lengthOf(db, newest.clientAt) + Number(answer !== undefined),
      steps: steps.length,
      trainable_steps: steps.length - reasons.length,
      tool_calls: sum(steps.map(({ calls }) => calls)),
      prompt_tokens: sum(responses.map(({ promptTokens }) => promptTokens)),
      completion_tokens: sum(responses.map(({ completionTokens }) => completionTokens)),
    },
    not_trainable_reasons: countOf(reasons),
    verdict: verdict === undefined ? null : { judge: verdict.judge, good: verdict.good === 1, score: verdict.score },
    feedback: prepared<[string], TrajectorySummary['feedback']>(db, FEEDBACK).get(row.id) ?? {
      good: 0,
      bad: 0,
      demonstrations: 0,
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function countOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
