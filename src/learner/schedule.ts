/**
 * Learning while serving: a cycle starts by itself when enough new judged steps exist. One at a time, never in a
 * request's way.
 */
import type { Cycle, FilterName, TrainMode } from '../core/learning/cycle.js';
import { asGyreError, GyreError } from '../core/errors.js';
import { tasksOf } from '../store/learning/tasks.js';
import { type CycleOptions, runCycle } from './cycle.js';
import type { Learner } from './deps.js';
import { judgeLog } from './judging.js';
import { select } from './states.js';

const LOOK_MS = 5_000;

export interface Schedule {
  /** Starts a cycle now. Resolves with its row once begun work ended; throws 409 when one is running. */
  run(options: CycleOptions): Promise<Cycle>;
  readonly busy: boolean;
  /** Stops looking; resolves when the running cycle has let go. */
  stop(): Promise<void>;
}

/** `automatic` false leaves only `run`. `failed` hears what a cycle nobody waits for threw. */
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
  const look = async (): Promise<void> => {
    if (current !== undefined || learner.signal.aborted) return;
    await judgeLog(learner);
    const { kept } = select(
      learner,
      learner.config['learning.filter'] as FilterName,
      learner.config['learning.mode'] as TrainMode,
    );
    if (kept.length < learner.config['learning.min_steps']) return;
    const cycle = await run({ heldout: tasksOf(learner.db, 'heldout') });
    if (cycle.state === 'failed') failed(`cycle ${cycle.id} failed at ${cycle.stage}: ${cycle.note}`);
  };
  let looking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    if (!automatic) return;
    looking = looking.then(look).catch((thrown: unknown) => {
      if (!learner.signal.aborted) failed(asGyreError(thrown).message);
    });
  }, LOOK_MS);
  timer.unref();
  return {
    run,
    get busy() {
      return current !== undefined;
    },
    async stop() {
      clearInterval(timer);
      await looking;
      await current?.catch(() => undefined);
    },
  };
}
