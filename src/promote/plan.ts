/**
 * How a candidate is tested: by which test, at which level, on how many tasks. Pure.
 *
 * On many held-out tasks by a sequential test, which asks more of them until it knows. On few, which every candidate is
 * asked again, by one exact test of all of them (a ladder whose step is the smallest gain that this test accepts), and
 * a third of them is never asked by the gate, so that a report has tasks which no decision has fitted itself to.
 */
import type { JudgeError } from '../core/judging/live.js';
import { sha256 } from '../core/text/hash.js';
import { levelOf } from './evidence.js';
import { LEAST_SEEN, mostSeen, seenOf } from './judge_error.js';

export const GATE_TESTS = ['paired-e/1', 'sign-ladder/1', 'live-e/1'] as const;

export interface GatePlan {
  readonly test: (typeof GATE_TESTS)[number];
  /** Which candidate this is since something was promoted, from 1. Each version that was asked anything counts. */
  readonly candidate: number;
  /** What all candidates together may spend, and this one's part: the chance that a useless one is promoted. */
  readonly alphaTotal: number;
  readonly alpha: number;
  /** Tasks between two looks, and all that may be asked. */
  readonly step: number;
  readonly max: number;
  /** From so many tasks on the test ends where even `z` standard errors of luck would not show enough by the end. */
  readonly futility?: { readonly after: number; readonly z: number } | undefined;
  /** Of a comparison by a judge: the true gain that is to be exceeded, and how often the judge errs. */
  readonly live?: { readonly margin: number; readonly error: JudgeError } | undefined;
}

/** Fewer held-out tasks than this are a small set. */
const SMALL_SET = 256;
/** Fewer of the gate's own tasks can show nothing: five wins of five are not enough even for the first candidate. */
const FEWEST = 6;
/** Tasks of a sequential test where nothing else is said. */
export const MAX_TASKS = 1024;

const SEQUENTIAL_TOTAL = 0.1;
/** Half of it, since the same tasks are asked again: the candidates' luck on them is not drawn afresh. */
const LADDER_TOTAL = 0.05;
/** Nobody looks after a judge's word as a reference looks after itself. */
const LIVE_TOTAL = 0.05;

/** The plan for the `candidate`-th version; a sentence where there are too few tasks for any. */
export function planOf(
  candidate: number,
  heldOut: readonly { readonly id: string }[],
  maxTasks = MAX_TASKS,
): GatePlan | string {
  const own = gatesOwn(heldOut).length;
  if (heldOut.length >= SMALL_SET) return sequential(candidate, Math.min(own, maxTasks));
  if (own < FEWEST)
    return (
      `of ${heldOut.length} held-out tasks ${own} are the gate's own, since a third is kept for the report; ` +
      `with fewer than ${FEWEST} nothing can be shown: add held-out tasks`
    );
  return ladder(candidate, own);
}

/** A test that asks up to `max` tasks, none of them used for a decision shortly before. */
export function sequential(candidate: number, max: number): GatePlan {
  const alpha = levelOf(SEQUENTIAL_TOTAL, candidate);
  return {
    test: 'paired-e/1',
    candidate,
    alphaTotal: SEQUENTIAL_TOTAL,
    alpha,
    step: 32,
    max,
    futility: { after: 128, z: 1.5 },
  };
}

/** Held-out conversations that a comparison begins with at least. */
const LEAST_LIVE = 128;

/**
 * The plan for the `candidate`-th version where a judge compares answers to held-out conversations, of which so many
 * are unused; a sentence where that can show nothing.
 */
export function livePlan(
  candidate: number,
  unused: number,
  maxConversations: number,
  { margin, error }: NonNullable<GatePlan['live']>,
): GatePlan | string {
  const seen = seenOf(error);
  if (seen < LEAST_SEEN)
    return (
      `the judge that compares sees ${(100 * seen).toFixed(0)} % of a difference, ` +
      `and ${100 * LEAST_SEEN} % is least`
    );
  const least = Math.min(LEAST_LIVE, maxConversations);
  if (unused < least)
    return `${unused} held-out conversations have been used for no decision, and a comparison takes ${least} at least`;
  return {
    ...sequential(candidate, Math.min(unused, maxConversations)),
    alphaTotal: LIVE_TOTAL,
    alpha: levelOf(LIVE_TOTAL, candidate),
    test: 'live-e/1',
    live: { margin, error },
  };
}

/** By how much wins have to exceed losses, as a share of all, before a gain is above the margin. */
export function seenMargin({ live }: GatePlan): number {
  return live === undefined ? 0 : live.margin * mostSeen(live.error);
}

/** One test of all `tasks` of a small set. */
export function ladder(candidate: number, tasks: number): GatePlan {
  const alpha = levelOf(LADDER_TOTAL, candidate);
  return { test: 'sign-ladder/1', candidate, alphaTotal: LADDER_TOTAL, alpha, step: tasks, max: tasks };
}

/** Whether a task of a small set is kept for the report. By its id, so that it stays what it is when others come. */
export function keptForReport(taskId: string): boolean {
  return Number.parseInt(sha256(taskId).slice(-12), 16) % 3 === 0;
}

/** The held-out tasks that a gate may ask. */
export function gatesOwn<T extends { readonly id: string }>(heldOut: readonly T[]): readonly T[] {
  return heldOut.length >= SMALL_SET ? heldOut : heldOut.filter((task) => !keptForReport(task.id));
}

/** A task and when a decision last used it. */
interface Turn {
  readonly id: string;
  readonly usedAt?: number | undefined;
}

/**
 * The order in which a gate takes tasks: never used first, then the one that rested longest. Among equals by a hash of
 * the id: a file often has its tasks by subject, and a test that ends early must have seen a mixture of all.
 */
export function inTurn<T extends Turn>(tasks: readonly T[]): T[] {
  return tasks
    .map((task) => ({ task, used: task.usedAt ?? -Infinity, lot: sha256(`turn ${task.id}`) }))
    .sort((a, b) => (a.used === b.used ? (a.lot < b.lot ? -1 : 1) : a.used - b.used))
    .map(({ task }) => task);
}

/** How many tasks come next, after so many were asked: up to the next look. */
export function nextStep(plan: GatePlan, asked: number): number {
  return Math.max(0, Math.min(plan.step - (asked % plan.step), plan.max - asked));
}
