/** Which reference a logged step may be compared with: a request only claims to be a task's. Pure. */
import type { Subject, SubjectKind } from '../core/learning/judging.js';
import type { AskedState } from '../core/learning/state.js';
import { metricOf, type Reference, type Task } from '../core/learning/task.js';
import { canonicalJson } from '../core/text/hash.js';
import type { Toolbox } from '../core/tool.js';
import type { NotTrainable } from '../core/trajectory.js';

/** Actions whose words a client may have chosen: by a schema, a list of tokens, a template of its own. */
const DICTATED: ReadonlySet<NotTrainable> = new Set(['constrained', 'control_text', 'raw_prompt']);

type Referred = Pick<Subject, 'reference' | 'metric'>;

/** What a subject has of the task that it says it is of: the reference that it may be compared with, and how. */
export function referred(asked: AskedState, kind: SubjectKind, toolbox: Toolbox): Referred {
  const reference = referenceOf(asked, kind, toolbox);
  return reference === undefined || asked.task === undefined ? {} : { reference, metric: metricOf(asked.task) };
}

/** The same of an answer to a task that the learner itself has asked for it. */
export function comparedWith(task: Task): Referred {
  return task.reference === undefined ? {} : { reference: task.reference, metric: metricOf(task) };
}

/**
 * What the learner asked itself is its task's. A client's claim (`metadata.gyre_task`) holds where what it said is the
 * task's question and nothing else, or its key is an admin's: else whoever knows a task's name could read its reference
 * off the verdicts, and choose the reward of words of their own. Words of a client are also what its functions are
 * called and how they are described, and what it makes the policy say. Without keys nobody has shown to be anyone, so
 * the question has to be the task's there, too. Held-out tasks are asked by the learner alone.
 */
function referenceOf(
  { state, task, asksTask, byAdmin }: AskedState,
  kind: SubjectKind,
  toolbox: Toolbox,
): Reference | undefined {
  const { origin, notTrainable, sampling } = state;
  if (task === undefined || origin !== 'live') return task?.reference;
  if (task.split === 'heldout') return undefined;
  if (byAdmin) return task.reference;
  // A sample is the learner's own, whatever the action was in its state.
  const own =
    kind === 'sample' ||
    ((notTrainable === undefined || !DICTATED.has(notTrainable)) && sampling.logit_bias === undefined);
  const served = state.tools.every((spec) => {
    const known = toolbox.get(spec.name)?.spec;
    return known !== undefined && canonicalJson(known) === canonicalJson(spec);
  });
  return own && served && asksTask ? task.reference : undefined;
}
