/** The candidates of one trajectory, as its rows are now. */
import type { Candidate } from '../../core/learning/candidate.js';
import { prepared, type Db } from '../file/db.js';
import { versionOfColumn } from '../file/policy_version.js';
import { said } from './said.js';
import { Left } from './previous.js';

export interface Found {
  readonly seq: number;
  readonly stepId: string;
  readonly keyId: string;
  /** Whether it is the operator's own: a task that the learner answered. */
  readonly own: boolean;
  /** Whether it is bound to a task, whose split says whether it is held out. */
  readonly ofTask: boolean;
  readonly candidate: Candidate;
  /** Its response where that has no end yet. */
  readonly unanswered: string | undefined;
  /** Row and hash of the state's last message, and the hash of its tools. */
  readonly stateAt: number;
  readonly stateTip: string;
  readonly toolSet: string;
  /** The step of another trajectory that it goes on from. */
  readonly branchOf: number | undefined;
}

interface StepRow {
  readonly seq: number;
  readonly id: string;
  readonly responseId: string;
  readonly keyId: string;
  readonly policyVersion: number;
  readonly consent: 0 | 1;
  readonly outcome: string;
  readonly notTrainable: string | null;
  readonly stateTip: string;
  readonly stateAt: number;
  readonly policyAt: number;
  readonly toolSet: string;
  readonly hasPrompt: 0 | 1;
  readonly withdrawn: 0 | 1;
  readonly ended: 0 | 1;
}

const STEPS = `SELECT s.seq, s.id, s.response_id AS responseId, s.key_id AS keyId, s.policy_version AS policyVersion,
    s.consent, s.outcome, s.not_trainable AS notTrainable, s.state_tip AS stateTip, s.state_at AS stateAt,
    s.policy_at AS policyAt, s.tool_set AS toolSet, s.prompt_suffix IS NOT NULL AS hasPrompt,
    EXISTS (SELECT 1 FROM withdrawals w WHERE w.id = s.response_id) AS withdrawn,
    EXISTS (SELECT 1 FROM responses r WHERE r.id = s.response_id) AS ended
  FROM steps s WHERE s.trajectory_id = ? ORDER BY s.idx`;

const TRAJECTORY = `SELECT t.key_id AS keyId, t.origin, t.consent,
    (SELECT k.split FROM tasks k WHERE k.id = t.task_id) AS split
  FROM trajectories t WHERE t.id = ?`;

/** Of these reasons why an action is not trained on, the state cannot be asked again either. */
const STATELESS: ReadonlySet<string> = new Set(['upstream', 'no_token_ids', 'control_text', 'raw_prompt']);

/** Of these reasons an action of a teacher has, whose token ids nobody has to know, its state cannot be asked. */
const UNTEACHABLE: ReadonlySet<string> = new Set(['redacted', 'media', 'control_text', 'raw_prompt']);

/** Whether a state's last message ends a held-out question, word for word. */
export type AsksHeldOut = (stateTip: string) => boolean;

/** One for each step; of a trajectory that is gone there are none. */
export function candidatesIn(db: Db, trajectoryId: string, asksHeldOut: AsksHeldOut): Found[] {
  const trajectory = prepared<[string], { keyId: string; origin: string; consent: 0 | 1; split: string | null }>(
    db,
    TRAJECTORY,
  ).get(trajectoryId);
  const steps = prepared<[string], StepRow>(db, STEPS).all(trajectoryId);
  if (trajectory === undefined || steps.length === 0) return [];
  const heldOut = trajectory.split === 'heldout' || steps.some(({ stateTip }) => asksHeldOut(stateTip));
  const ruled = said(db);
  const choices = new Map<string, number>();
  for (const step of steps) choices.set(placeOf(step), (choices.get(placeOf(step)) ?? 0) + 1);
  const goods = steps.map(({ id }) => ruled.step(id).good);
  const allGood = together(goods);
  const left = new Left(db, steps);
  const earlier = new Map<number, boolean | undefined>();
  const goodOf = new Map(steps.map(({ seq }, at) => [seq, goods[at]]));
  let consent = trajectory.consent === 1;
  return steps.map((step): Found => {
    const before = left.before(step);
    const branch = before !== undefined && !goodOf.has(before);
    const earlierGood =
      before === undefined
        ? true
        : branch
          ? earlierOf(db, before)
          : together([earlier.get(before), goodOf.get(before)]);
    earlier.set(step.seq, earlierGood);
    consent &&= step.consent === 1;
    const { good, told } = ruled.step(step.id);
    const policyVersion = versionOfColumn(step.policyVersion);
    const taught = policyVersion === undefined && trajectory.origin === 'generate';
    const because = step.notTrainable ?? '';
    return {
      seq: step.seq,
      stepId: step.id,
      keyId: step.keyId,
      own: trajectory.origin !== 'live',
      ofTask: trajectory.split !== null,
      stateAt: step.stateAt,
      stateTip: step.stateTip,
      toolSet: step.toolSet,
      branchOf: branch ? before : undefined,
      unanswered: step.ended === 1 ? undefined : step.responseId,
      candidate: {
        policyVersion,
        ...(taught ? { taught } : {}),
        withdrawn: step.withdrawn === 1,
        consent: consent && keyConsents(db, step.keyId),
        heldout: heldOut,
        evaluated: trajectory.origin === 'evaluate',
        finished: step.outcome === 'done' && step.ended === 1,
        hasState: taught ? !UNTEACHABLE.has(because) : step.hasPrompt === 1 && !STATELESS.has(because),
        notTrainable: step.notTrainable ?? undefined,
        good,
        told,
        earlierGood,
        allGood,
        // Of several choices each is an answer of its own.
        outcomeGood: (choices.get(placeOf(step)) ?? 0) > 1 ? good : ruled.response(step.responseId),
      },
    };
  });
}

/** Steps of one response at one state are choices. */
function placeOf({ responseId, stateAt }: Pick<StepRow, 'responseId' | 'stateAt'>): string {
  return `${responseId} ${stateAt}`;
}

/** Bad if one is bad, else unknown if one is unknown. */
function together(goods: readonly (boolean | undefined)[]): boolean | undefined {
  if (goods.includes(false)) return false;
  return goods.includes(undefined) ? undefined : true;
}

/** Whether everything up to and with a step of another trajectory was good. */
function earlierOf(db: Db, seq: number): boolean | undefined {
  const row = prepared<[number], { id: string; trajectoryId: string }>(
    db,
    'SELECT id, trajectory_id AS trajectoryId FROM steps WHERE seq = ?',
  ).get(seq);
  if (row === undefined) return undefined;
  const steps = prepared<[string], StepRow>(db, STEPS).all(row.trajectoryId);
  const ruled = said(db);
  const left = new Left(db, steps);
  const bySeq = new Map(steps.map((step) => [step.seq, step]));
  const goods: (boolean | undefined)[] = [];
  for (let step = bySeq.get(seq); step !== undefined;) {
    goods.push(ruled.step(step.id).good);
    const before = left.before(step);
    const own = before === undefined ? undefined : bySeq.get(before);
    if (before !== undefined && own === undefined) goods.push(earlierOf(db, before));
    step = own;
  }
  return together(goods);
}

function keyConsents(db: Db, keyId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM keys WHERE id = ? AND NOT train').get(keyId) === undefined;
}
