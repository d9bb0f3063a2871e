/**
 * Rule judges: deterministic, explained, and absent where they cannot tell. A rule may run a pure tool to see what a
 * call would give, but never one with an effect. Without that, a step that calls a tool would have no reward of its
 * own, and step-wise training would learn nothing about calls.
 */
import type { Judge } from '../../core/learning/judging.js';
import type { Toolbox } from '../../core/tool.js';
import { followsObservationJudge } from './follows_observation.js';
import { referenceJudge } from './reference.js';
import { wellFormedJudge } from './well_formed.js';

/** Every rule judge. `src/judge/decide.ts` says whose verdict counts. */
export function ruleJudges(toolbox: Toolbox): readonly Judge[] {
  return [referenceJudge(toolbox), followsObservationJudge, wellFormedJudge];
}
