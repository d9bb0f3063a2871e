/**
 * One thread that reads rows, as the gateway's thread has it: calls wait here for their turn, so that whoever left is
 * not read for. It is started by its first call. One that dies takes only the call in hand with it.
 */
import { Worker } from 'node:worker_threads';

import { GyreError, reasonOf } from '../../core/errors.js';
import { hangs } from '../../core/running/within.js';
import type { CallName } from './calls.js';
import { errorOf, type FromReader, type ReaderData, type ToReader } from './wire.js';

interface Waiting {
  readonly name: CallName;
  readonly args: readonly unknown[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export interface ReaderOptions extends ReaderData {
  /** Path of the compiled `worker.ts`. */
  readonly module: string;
  /** So many calls may wait. */
  readonly maxWaiting: number;
  /** Milliseconds until whoever asked is told that nothing comes; what was begun goes on. */
  readonly patienceMs: number;
  /** Told an operator: that a thread died. */
  readonly warn: (text: string) => void;
}

/** Nobody waits for a count; one that was given up and is made all the same would be made twice. */
const UNWATCHED: CallName = 'count';
/** After one died the next starts no sooner. */
const RESTART_MS = 500;
/** So long whoever waits is still answered when the gateway stops. */
const CLOSE_MS = 2_000;
/** After that so long until a thread that is stuck is left to itself: nothing ends one that waits for a disk. */
const END_MS = 1_000;
/** A thread's own memory; where that is not enough the thread ends, not the gateway. */
const HEAP_MB = 1_024;

export class Reader {
  readonly #options: ReaderOptions;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #isReady = false;
  #inHand: Waiting | undefined;
  #restart: NodeJS.Timeout | undefined;
  #closed: (() => void) | undefined;
  #closing = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** Rejects with what the call throws, and with a 503 where it cannot be made. */
  ask(name: CallName, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    if (this.#closing) return Promise.reject(ending());
    const { maxWaiting } = this.#options;
    if (this.#waiting.length >= maxWaiting) this.#dropLeft();
    if (this.#waiting.length >= maxWaiting) return Promise.reject(full(this.#waiting.length));
    return new Promise((resolve, reject) => {
      const patience = name === UNWATCHED ? undefined : setTimeout(() => this.#late(call), this.#options.patienceMs);
      const call: Waiting = {
        name,
        args,
        signal,
        resolve(value) {
          clearTimeout(patience);
          resolve(value);
        },
        reject(reason) {
          clearTimeout(patience);
          reject(reason instanceof Error ? reason : new Error(String(reason)));
        },
      };
      this.#waiting.push(call);
      this.#next();
    });
  }

  /** Starts its thread before the first call. */
  warm(): void {
    this.#start();
  }

  /** Resolves when calls are answered, or were given up, and the thread has closed the store. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#worker === undefined) return this.#give(ending());
    const closed = new Promise<void>((resolve) => (this.#closed = resolve));
    this.#next();
    if (!(await hangs(closed, CLOSE_MS))) return;
    this.#give(ending());
    this.#inHand?.reject(ending());
    void this.#worker.terminate();
    await hangs(closed, END_MS);
  }

  /** One that waits has left; the one in hand is not answered any more when it is done. */
  #late(call: Waiting): void {
    const at = this.#waiting.indexOf(call);
    if (at >= 0) this.#waiting.splice(at, 1);
    call.reject(slow(this.#options.patienceMs));
  }

  #next(): void {
    if (this.#inHand !== undefined) return;
    if (this.#worker === undefined) return this.#start();
    if (!this.#isReady) return;
    this.#dropLeft();
    const next = this.#waiting.shift();
    if (next === undefined) {
      if (this.#closing) this.#post({ type: 'close' });
      return;
    }
    this.#inHand = next;
    try {
      this.#post({ type: 'call', name: next.name, args: next.args });
    } catch (thrown) {
      this.#inHand = undefined;
      next.reject(thrown);
      this.#next();
    }
  }

  #post(message: ToReader): void {
    this.#worker?.postMessage(message);
  }

  /** Whoever has left is not read for. */
  #dropLeft(): void {
    for (let at = this.#waiting.length - 1; at >= 0; at -= 1) {
      const { signal, reject } = this.#waiting[at] ?? {};
      if (signal?.aborted !== true) continue;
      this.#waiting.splice(at, 1);
      reject?.(left());
    }
  }

  #start(): void {
    if (this.#worker !== undefined || this.#restart !== undefined) return;
    const { module, config, busyMs, niceness } = this.#options;
    let worker: Worker;
    try {
      worker = new Worker(module, {
        workerData: { config, busyMs, niceness } satisfies ReaderData,
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      });
    } catch (thrown) {
      return this.#died(thrown);
    }
    this.#worker = worker;
    let fault: unknown;
    worker.on('message', (message: FromReader) => this.#hear(message));
    worker.on('error', (thrown) => (fault = thrown));
    worker.on('exit', (code) => {
      this.#worker = undefined;
      this.#died(fault ?? new Error(`it ended with ${code}`));
    });
  }

  #hear(message: FromReader): void {
    if (message.type === 'ready') this.#isReady = true;
    else {
      const call = this.#inHand;
      this.#inHand = undefined;
      if (message.type === 'done') call?.resolve(message.value);
      else call?.reject(errorOf(message.fault));
    }
    this.#next();
  }

  #died(fault: unknown): void {
    const wasReady = this.#isReady;
    const call = this.#inHand;
    this.#isReady = false;
    this.#inHand = undefined;
    if (this.#closing) {
      call?.reject(ending());
      this.#give(ending());
      return this.#closed?.();
    }
    const reason = reasonOf(fault);
    this.#options.warn(`a thread that reads the log ended: ${reason}; the next call has another`);
    call?.reject(interrupted(reason));
    // One that cannot even start will not for those who wait.
    if (!wasReady) this.#give(unreadable(reason));
    this.#restart = setTimeout(() => {
      this.#restart = undefined;
      if (this.#waiting.length > 0) this.#start();
    }, RESTART_MS);
    this.#restart.unref();
  }

  /** Whoever waits is told why nothing comes. */
  #give(reason: GyreError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}

function unavailable(code: string, message: string, discreet?: string): GyreError {
  return new GyreError({ side: 'gateway', status: 503, code, message, discreet, retryAfterMs: 1_000 });
}

function full(waiting: number): GyreError {
  return unavailable('reading_busy', `${waiting} requests wait to read the log already. Try again in 1 s.`);
}

function unreadable(reason: string): GyreError {
  return unavailable(
    'reading_failed',
    `The log cannot be read: ${reason}. Try again in 1 s.`,
    'The log cannot be read. Try again in 1 s.',
  );
}

const AGAIN = 'Try again in 1 s; a deletion or feedback may have been done.';

function interrupted(reason: string): GyreError {
  return unavailable(
    'reading_failed',
    `What reads the log ended in the midst of this request (${reason}). ${AGAIN}`,
    `What reads the log ended in the midst of this request. ${AGAIN}`,
  );
}

function slow(milliseconds: number): GyreError {
  return unavailable(
    'reading_failed',
    `The log was not read within ${milliseconds / 1000} s. Try again in 1 s; a deletion or feedback may be done yet.`,
  );
}

function ending(): GyreError {
  return unavailable('shutting_down', 'The gateway is stopping.');
}

function left(): GyreError {
  return new GyreError({ side: 'client', status: 499, code: 'client_left', message: 'The client has left.' });
}
