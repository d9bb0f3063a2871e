/** One look at the pairs of a test: what they show so far, and whether the test is at its end. Pure. */
import { logEvidenceAbove } from './betting.js';
import { logChance, logEvidence } from './evidence.js';
import { type GatePlan, seenMargin } from './plan.js';

/** One task asked of both versions: whether each was right; undefined where no answer came. */
export interface Pair {
  readonly taskId: string;
  readonly candidate?: boolean | undefined;
  readonly serving?: boolean | undefined;
  /** Of a comparison: whose answer the judge could not tell anything of, so that it is a tie. */
  readonly untold?: 'candidate' | 'serving' | 'both' | undefined;
}

/** Pairs as numbers. */
export interface Tally {
  readonly tasks: number;
  readonly wins: number;
  readonly losses: number;
  /** Tasks that each version answered. */
  readonly answered: { readonly candidate: number; readonly serving: number };
  /** Tasks that neither of them answered. */
  readonly unanswered: number;
}

/**
 * No answer is a wrong answer of the candidate, which may be what brings the engine down. Of the serving version it is
 * no win for the candidate: an outage during its half of the test promotes nobody.
 */
export function tallyOf(pairs: readonly Pair[]): Tally {
  let [wins, losses, candidate, serving, unanswered] = [0, 0, 0, 0, 0];
  for (const pair of pairs) {
    if (pair.candidate !== undefined) candidate += 1;
    if (pair.serving !== undefined) serving += 1;
    if (pair.candidate === undefined && pair.serving === undefined) unanswered += 1;
    if (pair.candidate === true && pair.serving === false) wins += 1;
    if (pair.candidate !== true && pair.serving === true) losses += 1;
  }
  return { tasks: pairs.length, wins, losses, answered: { candidate, serving }, unanswered };
}

/** Why a test ends. */
export type Ending =
  /** It has shown that the candidate is better. */
  | 'evidence'
  /** What is left could hardly show it. */
  | 'futile'
  /** All tasks of the plan are asked. */
  | 'max';

export interface Look {
  /** What the pairs show, in nats: of the sequential test ln E, of the sign test -ln of its p-value. */
  readonly strength: number;
  /** What they have to show: -ln alpha. */
  readonly threshold: number;
  /** Undefined while more is to be asked. */
  readonly ending: Ending | undefined;
  /** Whether both versions answered enough for a decision. What they did not answer is asked again first. */
  readonly covered: boolean;
}

/** Below this share of answers, of either version, there is no decision. */
export const LEAST_COVERAGE = 0.98;

export function look(tally: Tally, plan: GatePlan): Look {
  const threshold = -Math.log(plan.alpha);
  const strength = strengthOf(plan, tally);
  return { strength, threshold, ending: endingOf(tally, plan, strength, threshold), covered: isCovered(tally) };
}

function endingOf(tally: Tally, plan: GatePlan, strength: number, threshold: number): Ending | undefined {
  // One that may ask everything at once has nothing to say before.
  if (plan.test === 'sign-ladder/1' && tally.tasks < plan.max) return undefined;
  if (strength >= threshold) return 'evidence';
  if (tally.tasks >= plan.max) return 'max';
  return isFutile(tally, plan, threshold) ? 'futile' : undefined;
}

function strengthOf(plan: GatePlan, { tasks, wins, losses }: Pick<Tally, 'tasks' | 'wins' | 'losses'>): number {
  if (plan.test === 'sign-ladder/1') return -logChance(wins, losses);
  const margin = seenMargin(plan);
  // Without a margin what did not change says nothing.
  return margin === 0 ? logEvidence(wins, losses) : logEvidenceAbove(wins, losses, tasks - wins - losses, margin);
}

/** Whether as many changes as so far, won as often as `z` standard errors of luck allow, would show too little. */
function isFutile(tally: Tally, plan: GatePlan, threshold: number): boolean {
  if (plan.futility === undefined || tally.tasks < plan.futility.after) return false;
  const changed = tally.wins + tally.losses;
  if (changed === 0) return true;
  const toCome = ((plan.max - tally.tasks) * changed) / tally.tasks;
  const share = Math.min(1, tally.wins / changed + plan.futility.z * Math.sqrt(0.25 / changed));
  const all = Math.round(changed + toCome);
  const wins = Math.min(all, Math.round(tally.wins + toCome * share));
  return strengthOf(plan, { tasks: plan.max, wins, losses: all - wins }) < threshold;
}

function isCovered({ tasks, answered }: Tally): boolean {
  return tasks > 0 && Math.min(answered.candidate, answered.serving) >= LEAST_COVERAGE * tasks;
}

/**
 * Whether all that is missing is one task that neither version answers: one that is too long for the engine, say. It
 * says nothing of either; but of few tasks one is more than may be missing, and no candidate would be decided about,
 * ever.
 */
export function lacksOne({ tasks, answered, unanswered }: Tally): boolean {
  return unanswered === 1 && tasks > 1 && Math.min(answered.candidate, answered.serving) === tasks - 1;
}
