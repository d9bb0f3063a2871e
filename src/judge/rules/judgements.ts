/** Short forms of the three judgements a rule can make, and the arguments of a call as rules read them. */
import type { Judgement } from '../../core/learning/judging.js';

type Verdict = Extract<Judgement, { kind: 'verdict' }>;

export const good = (rationale: string): Verdict => ({ kind: 'verdict', score: 1, good: true, rationale });

export const bad = (rationale: string): Verdict => ({ kind: 'verdict', score: 0, good: false, rationale });

export const absent = (reason: string): Judgement => ({ kind: 'absent', reason });

/** Undefined for anything but a JSON object. */
export function parseArguments(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
