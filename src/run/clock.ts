/**
 * The learning clock as the gateway sees it: a process of its own beside the requests, because judging a
 * log and laying out a batch would hold every stream for as long as they take. What it does is in rows;
 * when it dies, or the trainer moves, another goes on from them.
 */
import { fork, type ChildProcess } from 'node:child_process';

import type { Config } from '../core/config.js';
import { GyreError, type ErrorFields } from '../core/errors.js';
import type { Cycle } from '../core/learning/cycle.js';
import { compiled } from '../core/running/compiled.js';
import { noTrainer } from './learner.js';
import type { TrainerAddress } from './trainer_address.js';

/** Messages from the gateway to the clock's process. */
export type ToClock =
  /** Always the first. With `resume` a cycle that was left running is continued without being asked for again. */
  | {
      readonly type: 'begin';
      readonly config: Config;
      /** What requests to the trainer bring. */
      readonly trainerToken?: string | undefined;
      readonly resume: boolean;
    }
  /** Start a cycle; `id` comes back with its row or its refusal. */
  | { readonly type: 'start_cycle'; readonly id: number; readonly gate: boolean }
  /** Serving has followed the decision that was announced with this `id`. */
  | { readonly type: 'followed'; readonly id: number };

/** Messages from the clock's process to the gateway. */
export type FromClock =
  /** The row of the cycle that was asked for. */
  | { readonly type: 'cycle'; readonly id: number; readonly cycle: Cycle }
  /** No cycle was started. */
  | { readonly type: 'refused'; readonly id: number; readonly error: ErrorFields }
  /** A decision is a row. The clock waits for `followed`, so that what it does next is done by what serves then. */
  | { readonly type: 'decided'; readonly id: number }
  /** A line for the operator. */
  | { readonly type: 'warning'; readonly text: string };

export interface ClockOptions {
  readonly config: Config;
  /** The trainer that lives, if one does. */
  readonly trainer: () => TrainerAddress | undefined;
  /** All of its process's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly decided: () => Promise<void>;
  readonly warn: (text: string) => void;
}

export interface LearningClock {
  /**
   * Starts a cycle; resolves with its row as soon as it exists. Throws 409 when one is running, 503 when there is no
   * trainer.
   */
  cycle(options: { readonly gate: boolean }): Promise<Cycle>;
  /** Resolves when the process has ended; a running cycle goes on from its rows another time. */
  stop(): Promise<void>;
}

/** How often it is checked that the process runs, and with the trainer that lives. */
const CHECK_MS = 1_000;
/** A process that ended by itself is started again after a pause that doubles up to this. */
const LONGEST_PAUSE_MS = 60_000;
/** How long it may take to let go of a cycle before it is killed, which its rows survive at any moment. */
const STOP_MS = 10_000;

interface PendingCycle {
  readonly resolve: (cycle: Cycle) => void;
  readonly reject: (error: GyreError) => void;
}

export function openClock({ config, trainer, env, decided, warn }: ClockOptions): LearningClock {
  let child: ChildProcess | undefined;
  /** The trainer it was started with. */
  let startedWith: string | undefined;
  let startAfter = 0;
  let pause = CHECK_MS;
  /** A running cycle that the first process finds was left by an earlier gateway; later ones find our own. */
  let startedBefore = false;
  let stopping = false;
  let lastId = 0;
  const pending = new Map<number, PendingCycle>();

  const start = ({ url, token }: TrainerAddress): ChildProcess => {
    const startedAt = performance.now();
    startedWith = url;
    const made = fork(compiled(new URL('./clock_process.js', import.meta.url)), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env,
      execArgv: process.execArgv.filter((flag) => flag === '--enable-source-maps'),
    });
    const send = (message: ToClock): void => {
      if (made.connected) made.send(message, () => undefined);
    };
    made.on('message', (message: FromClock) => {
      if (message.type === 'warning') warn(message.text);
      else if (message.type === 'decided') void decided().then(() => send({ type: 'followed', id: message.id }));
      else {
        const waiting = pending.get(message.id);
        pending.delete(message.id);
        if (message.type === 'cycle') waiting?.resolve(message.cycle);
        else waiting?.reject(new GyreError(message.error));
      }
    });
    made.on('error', (fault) => warn(`the learning clock: ${fault.message}`));
    made.on('exit', (code, signal) => {
      child = undefined;
      for (const { reject } of pending.values()) reject(noTrainer());
      pending.clear();
      if (stopping || code === 0) return;
      pause = performance.now() - startedAt > LONGEST_PAUSE_MS ? CHECK_MS : Math.min(2 * pause, LONGEST_PAUSE_MS);
      startAfter = performance.now() + pause;
      warn(`the learning clock ended with ${signal ?? String(code)}; it starts again in ${pause / 1000} s`);
    });
    send({
      type: 'begin',
      // Upstreams are never learned from, and the trainer tells its engine's key: theirs stay here.
      config: { ...config, 'trainer.url': url, upstreams: [], 'engine.api_key': undefined },
      trainerToken: token,
      resume: config.learn || startedBefore,
    });
    startedBefore = true;
    return made;
  };

  const check = (): void => {
    const address = trainer();
    if (address === undefined) return;
    if (child !== undefined && address.url !== startedWith) child.kill();
    else if (child === undefined && !stopping && performance.now() >= startAfter) child = start(address);
  };
  check();
  const timer = setInterval(check, CHECK_MS);
  timer.unref();

  return {
    cycle({ gate }) {
      check();
      const running = child;
      if (running === undefined || trainer() === undefined) return Promise.reject(noTrainer());
      lastId += 1;
      return new Promise((resolve, reject) => {
        pending.set(lastId, { resolve, reject });
        running.send({ type: 'start_cycle', id: lastId, gate } satisfies ToClock, () => undefined);
      });
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      const running = child;
      if (running === undefined) return;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill();
      const killing = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(killing);
    },
  };
}
