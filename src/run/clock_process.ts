/** The learning clock in its own process: started and asked by the gateway over its channel, and ended with it. */
import { setMaxListeners } from 'node:events';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Cycle } from '../core/learning/cycle.js';
import { asGyreError, fieldsOf } from '../core/errors.js';
import { aborted } from '../core/running/abort.js';
import type { Learner } from '../learner/deps.js';
import { schedule, type Schedule } from '../learner/schedule.js';
import { withLearner } from './with_learner.js';
import type { FromClock, ToClock } from './clock.js';
import type { Printer } from './print.js';

/** Scheduling priority below the gateway's: where both want a core, requests go first. */
const NICENESS = 10;
/** How often the row of a cycle that was just started is looked for. */
const POLL_MS = 10;
setPriority(NICENESS);

const stopping = new AbortController();
setMaxListeners(0, stopping.signal);
const stop = (): void => stopping.abort(new Error('the gateway stops'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
process.on('disconnect', stop); // the gateway died: leave nothing behind

const send = (message: FromClock): void => {
  if (process.connected) process.send?.(message);
};
const warn = (text: string): void => send({ type: 'warning', text });
const quiet: Printer = { result: () => undefined, progress: () => undefined, line: () => undefined };

const following = new Map<number, () => void>();
let decisions = 0;

/** Resolves when the gateway serves what the decision says, or has gone. */
function decided(): Promise<void> {
  if (!process.connected || stopping.signal.aborted) return Promise.resolve();
  decisions += 1;
  const id = decisions;
  return new Promise((resolve) => {
    following.set(id, resolve);
    stopping.signal.addEventListener('abort', () => resolve(), { once: true });
    send({ type: 'decided', id });
  });
}

interface Opened {
  readonly learner: Learner;
  readonly scheduled: Schedule;
}
let resolveOpened: (opened: Opened) => void;
const opened = new Promise<Opened>((resolve) => (resolveOpened = resolve));

process.on('message', (message: ToClock) => {
  if (message.type === 'begin') void run(message);
  else if (message.type === 'followed') {
    following.get(message.id)?.();
    following.delete(message.id);
  } else {
    const { id, gate } = message;
    startCycle(gate).then(
      (cycle) => send({ type: 'cycle', id, cycle }),
      (thrown: unknown) => send({ type: 'refused', id, error: fieldsOf(asGyreError(thrown)) }),
    );
  }
});

async function run({ config, trainerToken, resume }: Extract<ToClock, { type: 'begin' }>): Promise<void> {
  try {
    await withLearner(
      config,
      quiet,
      stopping.signal,
      true,
      async (learner) => {
        const scheduled = schedule(learner, config.learn, warn);
        resolveOpened({ learner, scheduled });
        if (resume && (await learner.rows.cycles.running()) !== undefined) void start(learner, scheduled, true);
        await aborted(stopping.signal);
        await scheduled.stop();
      },
      decided,
      trainerToken,
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
  const running = learner.rows.tasks.of('heldout').then((heldout) => scheduled.run({ heldout, gate }));
  running.catch((thrown: unknown) => {
    const { code, message } = asGyreError(thrown);
    // That another cycle runs already is an answer to whoever asked, and no cycle stopped.
    if (!stopping.signal.aborted && code !== 'cycle_running') warn(`a cycle stopped: ${message}`);
  });
  return running;
}

/** Starts a cycle and returns its row as soon as it exists; a resumed one is the newest that still runs. */
async function startCycle(gate: boolean): Promise<Cycle> {
  const { learner, scheduled } = await opened;
  const before = (await learner.rows.cycles.newest(1))[0]?.id;
  const running = start(learner, scheduled, gate);
  let over = false;
  const end = (): void => void (over = true);
  running.then(end, end);
  for (;;) {
    await sleep(POLL_MS);
    if (over) return running; // refused, or over before the first look at the rows
    const [newest] = await learner.rows.cycles.newest(1);
    if (newest !== undefined && (newest.id !== before || newest.state === 'running')) return newest;
  }
}
