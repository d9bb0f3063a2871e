/** Every store there is behind the learning clock's ports. Another one is one more entry here. */
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Sample } from '../../../src/core/learning/sample.js';
import type { LearningStore } from '../../../src/core/ports.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { answer, opened, opening, user } from '../fixture.js';

/** One log, and the stores of as many policies as a test asks for. */
export interface Logged {
  of(policy: string): LearningStore;
  /** Logs one answer to these words, and gives its step. */
  said(words: string, more?: { readonly consent?: boolean; readonly taskId?: string }): Promise<string>;
  trajectoryOf(stepId: string): Promise<string>;
  /** Deletes the trajectory of a step, as a client does. */
  forget(stepId: string): Promise<void>;
}

export const STORES: readonly { readonly name: string; readonly open: () => Logged }[] = [
  {
    name: 'SQLite',
    open: (): Logged => {
      const { store, log } = opened();
      const trajectories = new Map<string, string>();
      return {
        of: (policy) => learningStore(store.db, policy),
        async said(words, { consent = true, taskId } = {}) {
          const asked = opening([user(words)], { asker: { keyId: '', consent }, taskId });
          const { steps, recording } = await answer(log, asked, [{ text: 'Well.', prompt: [1, 2], ids: [3, 4] }]);
          const [step] = steps;
          if (step === undefined) throw new Error('the fixture logged no step');
          trajectories.set(step.id, recording.trajectoryId);
          return step.id;
        },
        trajectoryOf: (stepId) => Promise.resolve(trajectories.get(stepId) ?? ''),
        async forget(stepId) {
          await Promise.resolve(removeTrajectory(store.db, GYRE_POLICY, trajectories.get(stepId) ?? ''));
        },
      };
    },
  },
];

/** The nth action that a cycle drew at a step. */
export const sample = (cycleId: string, stepId: string, n: number, part: Partial<Sample> = {}): Sample => ({
  id: `smp-${cycleId}-${stepId}-${n}`,
  cycleId,
  stepId,
  policyVersion: 0,
  text: `answer ${n}`,
  calls: [],
  promptTokenIds: [1, 2],
  tokenIds: [3, n],
  logprobs: [-0.5, -0.25],
  temperature: 1,
  cut: false,
  createdAt: n,
  ...part,
});
