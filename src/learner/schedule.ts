/**
 * Learning while serving: a cycle starts by itself when `learning.min_steps` new states may be drawn from. One cycle at
 * a time, and after one that made nothing a pause, so that whatever is wrong is not done over and over.
 */
import type { Cycle } from '../core/learning/cycle.js';
import { asGyreError, GyreError } from '../core/errors.js';
import { type CycleOptions, runCycle } from './cycle.js';
import type { Learner } from './deps.js';
import { watchDrift } from './judges/drifting.js';
import { JudgeTending } from './judges/learned.js';
import { judgeLog } from './judging.js';
import { harmIn, lookAtCanary } from './live/canary.js';
import { available, boundsIn, countAll, ruleIn } from './states.js';
import { resetHead } from './training.js';

/** How often new steps are judged and counted. */
const CHECK_MS = 5_000;
/** The pause after a cycle that made nothing; it doubles with each further one, up to the longest. */
const REST_MS = 10_000;
const LONGEST_REST_MS = 15 * 60_000;
/** As many cycles tell how long to rest. */
const REMEMBERED = 8;

export interface Schedule {
  /** Starts a cycle now. Resolves with its row once begun work ended; throws 409 when one is running. */
  run(options: CycleOptions): Promise<Cycle>;
  readonly busy: boolean;
  /** Starts no more cycles; resolves when a running one has ended or was interrupted. */
  stop(): Promise<void>;
}

/** Until when none starts by itself: 0 where the newest made a batch. `newest`: newest first. */
export function restsUntil(newest: readonly Cycle[]): number {
  const made = newest.findIndex(({ state }) => state === 'done' || state === 'running');
  const idle = made < 0 ? newest.length : made;
  const [last] = newest;
  if (idle === 0 || last === undefined) return 0;
  return last.updatedAt + pauseAfter(idle);
}

/** `vain`: how often in a row nothing came of it. */
function pauseAfter(vain: number): number {
  return Math.min(REST_MS * 2 ** (vain - 1), LONGEST_REST_MS);
}

/** Whether it is time for a cycle, of which nobody has asked. */
export async function isDue(learner: Learner, now: number = Date.now()): Promise<boolean> {
  const { rows, config } = learner;
  // One that was left behind is gone on with, whatever else there is.
  if ((await rows.cycles.running()) !== undefined) return true;
  const head = await rows.versions.head();
  const rule = ruleIn(config, head);
  await countAll(rows.states, rule, learner.signal);
  const tally = await rows.states.tally(rule, boundsIn(config, rule.mode, head));
  // Of what is drawn where nobody knows right from wrong there is nothing to learn.
  if (rule.mode === 'resample' && tally.told === 0) return false;
  const { states } = available(tally, await rows.givers.heardLately(), config);
  return states >= config['learning.min_steps'] && now >= restsUntil(await rows.cycles.newest(REMEMBERED));
}

/** A look at the canary: serving follows what it decides, and training what it finds. */
async function watch(learner: Learner): Promise<void> {
  await judgeLog(learner);
  const release = await learner.rows.lock.take('cycle', 'a look at the canary');
  try {
    const looked = await lookAtCanary({
      rows: learner.rows,
      config: learner.config,
      drifts: (versions) => watchDrift(learner, versions),
    });
    if (looked?.ended !== true) return;
    await learner.decided();
    const head = await learner.rows.versions.head();
    const reason = harmIn(looked, head);
    if (reason !== undefined && learner.trainer !== undefined)
      await resetHead(learner, learner.trainer, { head, serving: looked.canary.against, reason });
  } finally {
    await release();
  }
}

/**
 * With `automatic` false, cycles start by `run` only. One that waits for its engine is gone on with after a pause.
 * `failed` is called when a cycle that nobody has asked for just now fails.
 */
export function schedule(learner: Learner, automatic: boolean, failed: (message: string) => void): Schedule {
  let current: Promise<Cycle> | undefined;
  let waiting: { readonly options: CycleOptions; readonly times: number; readonly until: number } | undefined;
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
      const cycle = await current;
      const times = (waiting?.times ?? 0) + 1;
      waiting = cycle.state === 'running' ? { options, times, until: Date.now() + pauseAfter(times) } : undefined;
      return cycle;
    } finally {
      current = undefined;
    }
  };
  const tending = new JudgeTending(learner);
  let trouble = '';
  /** Judges come before the policy; one that cannot be trained holds nothing up, and is told of once. */
  const tend = async (): Promise<void> => {
    try {
      await tending.check();
      trouble = '';
    } catch (thrown) {
      const { code, message } = asGyreError(thrown);
      if (learner.signal.aborted || code === 'cycle_running' || message === trouble) return;
      trouble = message;
      failed(`a judge could not be trained: ${message}`);
    }
  };
  const check = async (): Promise<void> => {
    if (current !== undefined || learner.signal.aborted) return;
    // Somebody may wait for its end, also where none starts by itself.
    if (waiting !== undefined && Date.now() < waiting.until) return;
    if ((await learner.rows.live.canary()) !== undefined) await watch(learner);
    if (waiting === undefined) {
      if (!automatic) return;
      await tend();
      await judgeLog(learner);
      if (!(await isDue(learner))) return;
    }
    const cycle = await run(waiting?.options ?? { heldout: await learner.rows.tasks.of('heldout') });
    if (cycle.state === 'failed') failed(`cycle ${cycle.id} failed at ${cycle.stage}: ${cycle.note}`);
  };
  let checking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    checking = checking.then(check).catch((thrown: unknown) => {
      const { code, message } = asGyreError(thrown);
      // What another process is at is no fault.
      if (!learner.signal.aborted && code !== 'cycle_running') failed(message);
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
