/**
 * Rule judges: deterministic, explained, and absent where they cannot decide. A rule may evaluate a pure
 * tool to see what a call would give; it never causes an effect. Without that a tool-call step has no
 * reward of its own and nothing is learned where it matters.
 */
import type { Judge } from '../../core/learning/judging.js';
import type { Toolbox } from '../../core/tool.js';
import { followsObservationJudge } from './follows_observation.js';
import { referenceJudge } from './reference.js';
import { wellFormedJudge } from './well_formed.js';

/** Every rule judge, the one that decides first. */
export function ruleJudges(toolbox: Toolbox): readonly Judge[] {
  return [referenceJudge(toolbox), followsObservationJudge, wellFormedJudge];
}
