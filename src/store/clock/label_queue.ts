/** Steps that people are asked to label, as they are shown: the conversation, the action, what came of it, no verdict. */
import type { QueuedStep } from '../../core/judging/labels.js';
import { assistantMessage } from '../../core/message.js';
import type { Db } from '../file/db.js';
import { queued } from '../labels/queue.js';
import { AskedStates } from './asked_states.js';

export function labelQueue(db: Db, count: number, random?: () => number): readonly QueuedStep[] {
  const drawn = queued(db, count, random);
  const states = new AskedStates(db).of(
    drawn.map(({ id }) => id),
    true,
  );
  return drawn.flatMap(({ id, cluster }): QueuedStep[] => {
    const asked = states.get(id);
    return asked === undefined ? [] : [shownStep(asked, cluster)];
  });
}

/** One step, whether or not it is in the queue; undefined where there is none. */
export function labelledStep(db: Db, id: string): QueuedStep | undefined {
  const asked = new AskedStates(db).of([id], true).get(id);
  return asked === undefined ? undefined : shownStep(asked, '');
}

type Asked = NonNullable<ReturnType<ReturnType<AskedStates['of']>['get']>>;

function shownStep({ state, after = [] }: Asked, cluster: string): QueuedStep {
  const { stepId, trajectoryId, index, messages, tools, text, calls } = state;
  return {
    step_id: stepId,
    trajectory_id: trajectoryId,
    index,
    cluster,
    messages,
    tools,
    action: assistantMessage(text, calls),
    after,
  };
}
