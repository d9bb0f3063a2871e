/** Steps that people are asked to label, as they are shown: what was said, the action, what came of it, no verdict. */
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
    if (asked === undefined) return [];
    const { stepId, trajectoryId, index, messages, tools, text, calls } = asked.state;
    const action = assistantMessage(text, calls);
    return [
      {
        step_id: stepId,
        trajectory_id: trajectoryId,
        index,
        cluster,
        messages,
        tools,
        action,
        after: asked.after ?? [],
      },
    ];
  });
}
