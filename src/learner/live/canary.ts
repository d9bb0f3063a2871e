/**
 * The canary: a version that waits at the gate answers a share of the conversations, and how they go is compared with
 * the rest until it is known whether it may answer all. What is decided is one save with what follows.
 */
import type { Decision } from '../../core/learning/version.js';
import type { Canary } from '../../core/judging/live.js';
import { candidateNumber } from '../../core/learning/standing.js';
import type { LearningStore } from '../../core/ports.js';
import { canaryPlan, canaryResult } from '../../promote/canary.js';
import type { Learner } from '../deps.js';
import { alarmsAgainst, type Gating } from '../gating.js';

/** A conversation is read so long after it began: by then its client has said what it thinks of it, if it does. */
const SETTLED_MS = 15 * 60_000;

export interface Watching extends Pick<Learner, 'config'> {
  readonly rows: Pick<LearningStore, 'versions' | 'decisions' | 'evaluations' | 'live'>;
}

export interface Looking extends Watching {
  /** How the judges that reward do on the actions of these versions. */
  readonly drifts: Gating['drifts'];
}

/** What became of a look. */
export interface Looked {
  readonly canary: Canary;
  readonly decision?: Decision | undefined;
  readonly promoted: boolean;
  /** Whether it is over, by a decision or because others have decided. */
  readonly ended: boolean;
}

/** Lets a version answer its share. `gateId`: the decision that it has passed the gate. */
export async function beginCanary(
  { rows, config }: Watching,
  version: number,
  gateId: string | undefined,
): Promise<Canary | undefined> {
  const { canary_share: share } = config.gate;
  const against = await rows.versions.serving();
  if (share <= 0 || version === against) return undefined;
  const about = await rows.decisions.newest(100, version);
  if (about.some(({ kind, against: with_ }) => kind === 'canary' && with_ === against)) return undefined;
  const decisions = await rows.decisions.sincePromotion();
  const tested = await rows.evaluations.tested();
  const gate = decisions.find(({ id }) => id === gateId);
  // Its own decision is already counted.
  const candidate = candidateNumber(
    decisions.filter((each) => each !== gate),
    { version, open: tested },
  );
  return rows.live.begin({ version, against, share, gateId, candidate });
}

/** Reads what has settled, and decides where that is enough. Undefined where no canary goes on. */
export async function lookAtCanary(
  { rows, config, drifts }: Looking,
  now: number = Date.now(),
  settledMs: number = SETTLED_MS,
): Promise<Looked | undefined> {
  const canary = await rows.live.canary();
  if (canary === undefined) return undefined;
  const over = (await rows.versions.serving()) !== canary.against || config.gate.canary_share <= 0;
  if (over) {
    await rows.live.end(canary, undefined);
    return { canary, promoted: false, ended: true };
  }
  while (await rows.live.read(canary, now - settledMs));
  const plan = canaryPlan(canary.candidate, config.gate.canary_conversations, canary.gateId !== undefined);
  const outcomes = await rows.live.outcomes(canary);
  // Judges are measured once, where it ends: what they found is in the same row.
  if (!canaryResult(plan, outcomes, []).decided) return { canary, promoted: false, ended: false };
  const alarms = await alarmsAgainst({ rows, drifts }, canary.version, canary.against);
  const result = canaryResult(plan, outcomes, alarms);
  if (!result.decided) return { canary, promoted: false, ended: false };
  const { passed, reason, numbers } = result;
  const { version, against } = canary;
  const ended = await rows.live.end(canary, {
    kind: 'canary',
    version,
    against,
    passed,
    reason,
    numbers: { ...numbers, canary: canary.id, share: canary.share },
  });
  return { canary, decision: ended?.decision, promoted: ended?.promoted === true, ended: true };
}

/** Why training is to go on from what serves; undefined where a canary's end says nothing against the head. */
export function harmIn({ canary, decision }: Looked, head: number): string | undefined {
  const stopped = decision?.numbers['stopped'];
  if (head !== canary.version || decision?.passed !== false) return undefined;
  return stopped === 'worse' || stopped === 'failing' ? `version ${head}: ${decision.reason}` : undefined;
}
