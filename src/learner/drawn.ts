/** What the samples of a cycle were like, to stand beside what the trainer measured of the update they made. */
import { drawnNumbers } from '../batch/drawn.js';
import type { Drawn } from '../core/learning/update.js';
import type { LearningStore } from '../core/ports.js';

/** Nothing where none were drawn: in the modes that train on logged actions. */
export async function drawnIn(
  rows: Pick<LearningStore, 'samples' | 'steps'>,
  cycleId: string,
): Promise<{ readonly drawn?: Drawn }> {
  const samples = await rows.samples.of(cycleId);
  const asked = await rows.steps.asked([...new Set(samples.map(({ stepId }) => stepId))]);
  const drawn = drawnNumbers(samples, (stepId) => asked.get(stepId)?.state.callsAllowed === true);
  return drawn === undefined ? {} : { drawn };
}
