/**
 * Learning while serving: a cycle starts by itself when `learning.min_steps` new steps pass the filter. One cycle at a
 * time.
 */
import type { Cycle, FilterName, TrainMode } from '../core/learning/cycle.js';
import { asGyreError, GyreError } from '../core/errors.js';
import { tasksOf } from '../store/learning/tasks.js';
import { type CycleOptions, runCycle } from './cycle.js';
import { available } from './choosing.js';
import type { Learner } from './deps.js';
import { judgeLog } from './judging.js';
import { select } from './states.js';

/** How often new steps are judged and counted. */
const CHECK_MS = 5_000;

export interface Schedule {
  /** Starts a cycle now. Resolves with its row once begun work ended; throws 409 when one is running. */
  run(options: CycleOptions): Promise<Cycle>;
  readonly busy: boolean;
  /** Starts no more cycles; resolves when a running one has ended or was interrupted. */
  stop(): Promise<void>;
}

/** With `automatic` false, cycles start by `run` only. `failed` is called when a cycle that started by itself fails. */
export function schedule(learner: Learner, automatic: boolean, failed: (message: string) => void): Schedule {
  let current: Promise<Cycle> | undefined;
  const run = async (options: CycleOptions): Promise<Cycle> => {
    if (current !== undefined)
      throw new GyreError({
        side: 'gateway',
        status: 409,
        code: 'cycle_running',
        message: 'a learning cycle is running; one at a time',
      });
    current = runCycle(learner, options);
    try {
      return await current;
    } finally {
      current = undefined;
    }
  };
  const check = async (): Promise<void> => {
    if (current !== undefined || learner.signal.aborted) return;
    await judgeLog(learner);
    const mode = learner.config['learning.mode'] as TrainMode;
    const { kept } = select(learner, learner.config['learning.filter'] as FilterName, mode);
    if (available(learner, kept, mode).states < learner.config['learning.min_steps']) return;
    const cycle = await run({ heldout: tasksOf(learner.db, 'heldout') });
    if (cycle.state === 'failed') failed(`cycle ${cycle.id} failed at ${cycle.stage}: ${cycle.note}`);
  };
  let checking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    if (!automatic) return;
    checking = checking.then(check).catch((thrown: unknown) => {
      if (!learner.signal.aborted) failed(asGyreError(thrown).message);
    });
  }, CHECK_MS);
  timer.unref();
  return {
    run,
    get busy() {
      return current !== undefined;
    },
    async stop() {
      clearInterval(timer);
      await checking;
      await current?.catch(() => undefined);
    },
  };
}
