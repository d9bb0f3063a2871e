/**
 * The learning clock as the gateway sees it: a process of its own beside the requests, because judging a
 * log and laying out a batch would hold every stream for as long as they take. What it does is in rows;
 * when it dies, or the trainer moves, another goes on from them.
 */
import { fork, type ChildProcess } from 'node:child_process';

import type { Config } from '../core/config.js';
import { GyreError, type ErrorFields } from '../core/errors.js';
import type { Cycle } from '../core/learning/cycle.js';
import { noTrainer } from './learner.js';
import { compiled } from './machine.js';

/** What the gateway says to the clock. `begin` comes first. */
export type ToClock =
  /** `resume`: a cycle that was left running is gone on with, though nobody asks again. */
  | { readonly say: 'begin'; readonly config: Config; readonly resume: boolean }
  | { readonly say: 'cycle'; readonly id: number; readonly gate: boolean }
  | { readonly say: 'followed'; readonly id: number };

/** What the clock says. Serving has to follow a decision before the clock goes on. */
export type FromClock =
  | { readonly say: 'cycle'; readonly id: number; readonly cycle: Cycle }
  | { readonly say: 'refused'; readonly id: number; readonly error: ErrorFields }
  | { readonly say: 'decided'; readonly id: number }
  | { readonly say: 'warning'; readonly text: string };

export interface ClockOptions {
  readonly config: Config;
  /** Address of the trainer that lives, if one does. */
  readonly trainer: () => string | undefined;
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

/** How often the clock and its trainer are looked after. */
const LOOK_MS = 1_000;
/** After an end nobody asked for it waits, and longer each time, so that what cannot work does not burn the machine. */
const LONGEST_PAUSE_MS = 60_000;
/** How long it has to let go of a cycle. Its rows are whole at any moment, so the end may be hard. */
const STOP_MS = 15_000;

interface Asked {
  readonly resolve: (cycle: Cycle) => void;
  readonly reject: (error: GyreError) => void;
}

export function openClock({ config, trainer, decided, warn }: ClockOptions): LearningClock {
  let child: ChildProcess | undefined;
  /** The trainer it was started with. */
  let startedWith: string | undefined;
  let startAfter = 0;
  let pause = LOOK_MS;
  /** Processes so far: what the first finds was left by an earlier gateway, what a later one finds is ours. */
  let lives = 0;
  let stopping = false;
  let ids = 0;
  const asked = new Map<number, Asked>();

  const start = (url: string): ChildProcess => {
    const startedAt = Date.now();
    startedWith = url;
    const made = fork(compiled(new URL('./clock_process.js', import.meta.url)), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: process.execArgv.filter((flag) => flag === '--enable-source-maps'),
    });
    const tell = (words: ToClock): void => {
      if (made.connected) made.send(words, () => undefined);
    };
    made.on('message', (words: FromClock) => {
      if (words.say === 'warning') warn(words.text);
      else if (words.say === 'decided') void decided().then(() => tell({ say: 'followed', id: words.id }));
      else {
        const waiting = asked.get(words.id);
        asked.delete(words.id);
        if (words.say === 'cycle') waiting?.resolve(words.cycle);
        else waiting?.reject(new GyreError(words.error));
      }
    });
    made.on('error', (fault) => warn(`the learning clock: ${fault.message}`));
    made.on('exit', (code, signal) => {
      child = undefined;
      for (const { reject } of asked.values()) reject(noTrainer());
      asked.clear();
      if (stopping || code === 0) return;
      pause = Date.now() - startedAt > LONGEST_PAUSE_MS ? LOOK_MS : Math.min(2 * pause, LONGEST_PAUSE_MS);
      startAfter = Date.now() + pause;
      warn(`the learning clock ended with ${signal ?? String(code)}; it starts again in ${pause / 1000} s`);
    });
    tell({ say: 'begin', config: { ...config, 'trainer.url': url }, resume: config.learn || lives > 0 });
    lives += 1;
    return made;
  };

  const look = (): void => {
    const url = trainer();
    if (child !== undefined && url !== undefined && url !== startedWith) child.kill();
    else if (child === undefined && url !== undefined && !stopping && Date.now() >= startAfter) child = start(url);
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();

  return {
    cycle({ gate }) {
      look();
      const running = child;
      if (running === undefined || trainer() === undefined) return Promise.reject(noTrainer());
      ids += 1;
      return new Promise((resolve, reject) => {
        asked.set(ids, { resolve, reject });
        running.send({ say: 'cycle', id: ids, gate } satisfies ToClock, () => undefined);
      });
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      const running = child;
      if (running === undefined) return;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill();
      const hard = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(hard);
    },
  };
}
