/** The log's thread as the gateway's thread has it: one at a time, started by whoever knows what it begins with. */
import { Worker } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import type { FromLog } from './wire.js';
import type { LogWorkerData } from './worker.js';

export interface LogThreadOptions {
  readonly dataDir: string;
  /** Path of the compiled `worker.ts`. */
  readonly module: string;
  /** Patterns of what may not be logged; applied by the log's thread. */
  readonly redact?: readonly string[] | undefined;
}

export class LogThread {
  readonly #options: LogThreadOptions;
  readonly #heard: (message: FromLog) => void;
  readonly #exited: (reason: Error, fault: unknown) => void;
  #worker: Worker | undefined;
  #exit: Promise<void> = Promise.resolve();
  #writer = '';
  #isReady = false;
  #settleReady: { readonly resolve: () => void; readonly reject: (reason: unknown) => void } | undefined;
  /** Resolves when one of them has every file open; rejects where none can be started. */
  readonly ready: Promise<void>;

  constructor(
    options: LogThreadOptions,
    on: { readonly message: (message: FromLog) => void; readonly exited: (reason: Error, fault: unknown) => void },
  ) {
    this.#options = options;
    this.#heard = on.message;
    this.#exited = on.exited;
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
    this.ready.catch(() => undefined); // also where nobody asks
  }

  get running(): boolean {
    return this.#worker !== undefined;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Under which name the present one counts answers. */
  get writer(): string {
    return this.#writer;
  }

  /** Resolves when the present one has ended. */
  get exited(): Promise<void> {
    return this.#exit;
  }

  start(begin: Omit<LogWorkerData, 'dataDir' | 'redact'>): void {
    const { dataDir, module, redact = [] } = this.#options;
    const worker = new Worker(module, {
      workerData: { dataDir, redact, ...begin } satisfies LogWorkerData,
    });
    this.#worker = worker;
    this.#writer = begin.writer;
    worker.on('message', (message: FromLog) => {
      if (message.type === 'ready') {
        this.#isReady = true;
        this.#settleReady?.resolve();
      }
      this.#heard(message);
    });
    let fault: unknown;
    worker.on('error', (thrown) => (fault = thrown));
    this.#exit = new Promise((resolve) => {
      worker.on('exit', (code) => {
        if (this.#worker === worker) this.#worker = undefined;
        resolve();
        const why = fault === undefined ? '' : `: ${reasonOf(fault)}`;
        this.#exited(new Error(`the log's thread ended with ${code}${why}`), fault);
      });
    });
  }

  /** None can be started: whoever waits for one is told why. */
  fail(reason: unknown): void {
    this.#settleReady?.reject(reason);
  }

  post(text: string): void {
    // As text: objects are cloned key by key, which took both threads together 44 us a request against 24.
    this.#worker?.postMessage(text);
  }

  async end(): Promise<void> {
    await this.#worker?.terminate();
  }
}
