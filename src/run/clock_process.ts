/** The learning clock in its own process: started by the gateway, told over its channel, gone when the gateway is. */
import { setMaxListeners } from 'node:events';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Config } from '../core/config.js';
import type { Cycle } from '../core/learning/cycle.js';
import { asGyreError } from '../core/errors.js';
import type { Learner } from '../learner/deps.js';
import { schedule, type Schedule } from '../learner/schedule.js';
import { withLearner } from './with_learner.js';
import { cyclesOf, runningCycle } from '../store/learning/cycles.js';
import { tasksOf } from '../store/learning/tasks.js';
import type { FromClock, ToClock } from './clock.js';
import type { Printer } from './print.js';

/** Requests go first where they share the cores. */
const NICENESS = 10;
/** How often a cycle that was asked for is looked for. */
const LOOK_MS = 10;
setPriority(NICENESS);

const stopping = new AbortController();
setMaxListeners(0, stopping.signal);
const stop = (): void => stopping.abort(new Error('the gateway stops'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
process.on('disconnect', stop); // the gateway died: leave nothing behind

const say = (words: FromClock): void => {
  if (process.connected) process.send?.(words);
};
const warn = (text: string): void => say({ say: 'warning', text });
const quiet: Printer = { result: () => undefined, progress: () => undefined, line: () => undefined };

const following = new Map<number, () => void>();
let decisions = 0;

/** Resolves when the gateway serves what the decision says, or has gone. */
function decided(): Promise<void> {
  if (!process.connected) return Promise.resolve();
  decisions += 1;
  const id = decisions;
  return new Promise((resolve) => {
    following.set(id, resolve);
    stopping.signal.addEventListener('abort', () => resolve(), { once: true });
    say({ say: 'decided', id });
  });
}

let ready: (up: { readonly learner: Learner; readonly scheduled: Schedule }) => void;
const up = new Promise<{ readonly learner: Learner; readonly scheduled: Schedule }>((resolve) => (ready = resolve));

process.on('message', (words: ToClock) => {
  if (words.say === 'begin') void run(words.config, words.resume);
  else if (words.say === 'followed') {
    following.get(words.id)?.();
    following.delete(words.id);
  } else {
    const { id, gate } = words;
    begin(gate).then(
      (cycle) => say({ say: 'cycle', id, cycle }),
      (thrown: unknown) => {
        const { side, status, code, message, param, retryAfterMs } = asGyreError(thrown);
        say({
          say: 'refused',
          id,
          error: {
            side,
            status,
            code,
            message,
            param,
            retryAfterMs,
          },
        });
      },
    );
  }
});

async function run(config: Config, resume: boolean): Promise<void> {
  try {
    await withLearner(
      config,
      quiet,
      stopping.signal,
      true,
      async (learner) => {
        const scheduled = schedule(learner, config.learn, warn);
        ready({ learner, scheduled });
        if (resume && runningCycle(learner.db) !== undefined) void start(learner, scheduled, true);
        if (!stopping.signal.aborted)
          await new Promise<void>((resolve) =>
            stopping.signal.addEventListener('abort', () => resolve(), { once: true }),
          );
        await scheduled.stop();
      },
      decided,
    );
  } catch (thrown) {
    if (!stopping.signal.aborted) {
      warn(`the learning clock stopped: ${asGyreError(thrown).message}`);
      process.exitCode = 1;
    }
  }
  if (process.connected) process.disconnect();
}

function start(learner: Learner, scheduled: Schedule, gate: boolean): Promise<Cycle> {
  const running = scheduled.run({ heldout: tasksOf(learner.db, 'heldout'), gate });
  running.catch((thrown: unknown) => {
    const { code, message } = asGyreError(thrown);
    // That another one runs is for whoever asked to hear: nothing stopped.
    if (!stopping.signal.aborted && code !== 'cycle_running') warn(`a cycle stopped: ${message}`);
  });
  return running;
}

/** Starts a cycle and gives its row as soon as it is there; a resumed one is the newest that still runs. */
async function begin(gate: boolean): Promise<Cycle> {
  const { learner, scheduled } = await up;
  const before = cyclesOf(learner.db, 1)[0]?.id;
  const running = start(learner, scheduled, gate);
  let over = false;
  const end = (): void => void (over = true);
  running.then(end, end);
  for (;;) {
    await sleep(LOOK_MS);
    if (over) return running; // refused, or quicker than a look
    const [newest] = cyclesOf(learner.db, 1);
    if (newest !== undefined && (newest.id !== before || newest.state === 'running')) return newest;
  }
}
