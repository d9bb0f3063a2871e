/** The gate: whether a candidate may serve, from the scores of both versions on the same held-out tasks. Pure. */
import type { Evaluation } from '../core/learning/version.js';
import { normalQuantile, paired, proportion } from './interval.js';

export interface GateOutcome {
  readonly passed: boolean;
  readonly reason: string;
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** Passes when the one-sided lower bound of the paired difference at `confidence` lies above 0. */
export function gate(candidate: Evaluation, serving: Evaluation, confidence: number): GateOutcome {
  if (candidate.taskSet !== serving.taskSet) {
    return {
      passed: false,
      reason: 'the two versions were evaluated on different tasks',
      numbers: { candidate: candidate.taskSet, serving: serving.taskSet },
    };
  }
  const scores = new Map(serving.results.map((result) => [result.taskId, result.score]));
  const shared = candidate.results.filter((result) => scores.has(result.taskId));
  const after = shared.map((result) => result.score);
  const before = shared.map((result) => scores.get(result.taskId) ?? 0);
  const difference = paired(before, after, normalQuantile(confidence));
  const numbers = {
    candidate: proportion(after),
    serving: proportion(before),
    difference,
    confidence,
    tasks: shared.length,
  };
  if (shared.length < 2)
    return { passed: false, reason: `only ${shared.length} tasks were answered by both versions`, numbers };
  const points = (value: number): string => `${(100 * value).toFixed(1)} points`;
  return difference.low > 0
    ? {
        passed: true,
        reason:
          `better by ${points(difference.difference)}, at least ${points(difference.low)} ` +
          `at ${confidence * 100} % confidence`,
        numbers,
      }
    : {
        passed: false,
        reason: `difference ${points(difference.difference)}, lower bound ${points(difference.low)} is not above 0`,
        numbers,
      };
}
