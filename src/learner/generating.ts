/** Generation, the first stage of SWiRL (arXiv 2504.04736): the loop run on tasks, N trajectories each, all logged. */
import type { Task } from '../core/learning/task.js';
import { attempt } from './attempt.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';

/** Tasks answered at once. */
const CONCURRENCY = 24;

/** Answers every task `perTask` times with the given version. Returns how many answers came. */
export async function generate(
  learner: Learner,
  tasks: readonly Task[],
  perTask: number,
  version: number,
): Promise<number> {
  const asked = Array.from({ length: perTask }, () => tasks).flat();
  let answered = 0;
  await inParallel(asked, CONCURRENCY, async (task) => {
    learner.signal.throwIfAborted();
    const { outcome } = await attempt(learner, task, {
      version,
      origin: 'generate',
      sampling: { temperature: learner.config['learning.temperature'] },
    });
    if (outcome === 'completed' || outcome === 'incomplete') answered += 1;
    learner.progress({ stage: 'generate', done: answered, total: asked.length });
  });
  return answered;
}
