/** By what a candidate is tested: tasks with a reference, or a judge that compares answers to live conversations. */
import type { Task } from '../../core/learning/task.js';
import { askable } from '../askable.js';
import type { Learner } from '../deps.js';
import { answered } from '../evaluating.js';
import { gate, type Gated, type Gating } from '../gating.js';
import { watchDrift } from '../judges/drifting.js';
import { countAll, ruleIn } from '../states.js';
import { answerTo } from './answering.js';
import { compareLive, type Comparing } from './comparing.js';

/** Whether anything could show that a version is better. */
export function mayBeGated({ live, config }: Learner, heldout: readonly Task[]): boolean {
  return heldout.length > 0 || live !== undefined || config.gate.canary_share > 0;
}

/** By tasks that have a reference where there are any; else by a judge that compares answers to live conversations. */
export async function tested(learner: Learner, version: number, heldout: readonly Task[]): Promise<Gated> {
  const { rows, judges, config, progress, signal, live } = learner;
  const drifts: Gating['drifts'] = (versions) => watchDrift(learner, versions);
  if (live !== undefined && askable(heldout, judges).tasks.length === 0) {
    await countAll(rows.states, ruleIn(config, await rows.versions.head()), signal);
    const answer: Comparing['answer'] = (state, of) => answerTo(learner, state, of);
    return compareLive({ rows, config, progress, signal, live, answer, drifts }, version);
  }
  if (heldout.length === 0) return { promoted: false, reason: 'no held-out tasks' };
  const answer: Gating['answer'] = (asked) => answered(learner, asked);
  return gate({ rows, judges, config, progress, signal, answer, drifts }, version, heldout);
}
