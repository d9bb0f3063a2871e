/** Live conversations that a gate may ask about, and how answers to them were compared. */
import type { Comparison, LiveState } from '../../core/judging/live.js';
import { conversationUse } from '../../core/judging/live.js';
import { isInShare } from '../../core/judging/conversation.js';
import type { JudgeRef } from '../../core/learning/judging.js';
import { sha256 } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';
import { consented } from '../learning/consent.js';
import { heldOutOf } from '../learning/held_out.js';

/** Steps that are looked at, the newest. */
const READ = 20_000;
/** Of these reasons why an action is not trained on, its state cannot be asked again. */
const STATELESS = "('upstream', 'no_consent', 'control_text', 'raw_prompt', 'redacted', 'media')";

interface Row {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly stateAt: number;
  readonly stateTip: string;
  readonly heldOut: 0 | 1;
}

/**
 * One state of each conversation that no decision has used: of those that are held out, and of a `shadowed` share of
 * the others, as far as nothing was drawn at them or trained on. In the order of their lots.
 */
export function liveStates(db: Db, policy: string, shadowed: number): LiveState[] {
  const heldOut = heldOutOf(db);
  const rows = prepared<[{ policy: string; shadowed: number }], Row>(
    db,
    `SELECT s.id AS stepId, s.trajectory_id AS trajectoryId, s.state_at AS stateAt, s.state_tip AS stateTip,
        c.reason = 'heldout' AS heldOut
      FROM candidates c JOIN steps s ON s.seq = c.seq
      WHERE c.policy = @policy AND NOT c.own AND (c.reason = 'heldout' OR (@shadowed AND c.reason NOT IN
          ('withdrawn', 'upstream', 'no_consent', 'evaluation', 'unfinished', 'no_state')))
        AND (s.not_trainable IS NULL OR s.not_trainable NOT IN ${STATELESS})
      ORDER BY c.seq DESC LIMIT ${READ}`,
  ).all({ policy, shadowed: Number(shadowed > 0) });
  const used = usedConversations(db, policy);
  const found = new Map<string, LiveState & { readonly lot: string }>();
  for (const { stepId, trajectoryId, stateAt, stateTip, heldOut: isHeldOut } of rows) {
    const conversation = heldOut.conversationAt(stateAt, stateTip);
    if (conversation === undefined || used.has(conversationUse(conversation))) continue;
    // A question of a held-out task is for the gate that has its reference.
    if (heldOut.isIn(stateAt, stateTip)) continue;
    const may =
      isHeldOut === 1
        ? heldOut.isLive(stateAt, stateTip)
        : isInShare(conversation, SHADOW, shadowed) && !isLearnedFrom(db, trajectoryId);
    if (!may) continue;
    const lot = sha256(stepId);
    const known = found.get(conversation);
    if (known === undefined || lot < known.lot) found.set(conversation, { conversation, stepId, trajectoryId, lot });
  }
  const open = consented(
    db,
    [...found.values()].map(({ stepId }) => stepId),
  );
  return [...found.values()]
    .filter(({ stepId }) => open.has(stepId))
    .map(({ lot: _, ...state }) => state)
    .sort((a, b) => (a.conversation < b.conversation ? -1 : 1));
}

const SHADOW = 'shadow';

/** Whether a cycle has drawn at a state of it, or taken an action of it. */
function isLearnedFrom(db: Db, trajectoryId: string): boolean {
  return (
    prepared<[string]>(
      db,
      'SELECT 1 FROM steps s JOIN cycle_steps c ON c.step_id = s.id WHERE s.trajectory_id = ? LIMIT 1',
    ).get(trajectoryId) !== undefined
  );
}

function usedConversations(db: Db, policy: string): ReadonlySet<string> {
  const rows = prepared<[string], { taskId: string }>(
    db,
    "SELECT task_id AS taskId FROM task_uses WHERE policy = ? AND task_id LIKE 'live:%'",
  ).all(policy);
  return new Set(rows.map(({ taskId }) => taskId));
}

/** Nothing is kept of a conversation that is gone meanwhile. */
export function saveComparisons(db: Db, policy: string, comparisons: readonly Comparison[]): void {
  const isThere = prepared<[string]>(db, 'SELECT 1 FROM steps WHERE id = ?');
  db.transaction(
    () => {
      for (const { words, ...comparison } of comparisons)
        if (isThere.get(comparison.stepId) !== undefined)
          prepared(
            db,
            `INSERT INTO live_comparisons (policy, candidate, serving, step_id, trajectory_id, conversation, judge,
                judge_version, outcome, words, prompt_tokens, completion_tokens, ms, money, created_at)
              VALUES (@policy, @candidate, @serving, @stepId, @trajectoryId, @conversation, @judge, @judgeVersion,
                @outcome, @words, @promptTokens, @completionTokens, @ms, @money, @createdAt) ON CONFLICT DO NOTHING`,
          ).run({ ...comparison, money: comparison.money ?? null, policy, words: JSON.stringify(words) });
    },
    { behavior: 'immediate' },
  );
}

/** By step. */
export function comparisonsOf(
  db: Db,
  policy: string,
  versions: { readonly candidate: number; readonly serving: number },
  judge: JudgeRef,
): Map<string, Comparison> {
  const rows = prepared<[Record<string, unknown>], Comparison & { words: string }>(
    db,
    `SELECT candidate, serving, step_id AS stepId, trajectory_id AS trajectoryId, conversation, judge,
        judge_version AS judgeVersion, outcome, words, prompt_tokens AS promptTokens,
        completion_tokens AS completionTokens, ms, money, created_at AS createdAt
      FROM live_comparisons WHERE policy = @policy AND candidate = @candidate AND serving = @serving
        AND judge = @name AND judge_version = @version`,
  ).all({ policy, ...versions, ...judge }) as unknown as (Omit<Comparison, 'words'> & { readonly words: string })[];
  return new Map(
    rows.map((row) => [row.stepId, { ...row, words: JSON.parse(row.words) as Comparison['words'] }] as const),
  );
}
