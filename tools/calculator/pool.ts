/**
 * A few long-lived child processes, one job at a time each. A child that exceeds its time is killed, and a child that
 * dies fails only its own job; the next job starts a new one. They are processes because a worker thread that runs out
 * of heap can abort the whole process.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

import { badRequest, internal, type GyreError } from '../../src/core/errors.js';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
/** mathjs itself takes about 20 MB of it. */
const HEAP_MB = 64;
/** Time a child has to load mathjs: a fraction of a second, but many seconds on a machine that does other things. */
const START_MS = 60_000;

/** It may have a value: a judge does not call it wrong. */
const UNFINISHED = 'unfinished';

const Reply = z.union([
  z.strictObject({ ready: z.literal(true) }),
  z.strictObject({ text: z.string() }),
  z.strictObject({ error: z.string() }),
]);

interface Job {
  readonly expression: string;
  readonly timeoutMs: number;
  readonly resolve: (text: string) => void;
  readonly reject: (error: GyreError) => void;
}

interface Worker {
  readonly process: ChildProcessWithoutNullStreams;
  ready: boolean;
  job: Job | undefined;
  timer: NodeJS.Timeout | undefined;
}

export interface Pool {
  /** The text of the result. Rejects with a one-sentence error; an abort kills the child that runs the job. */
  evaluate(expression: string, timeoutMs: number, signal: AbortSignal): Promise<string>;
  /** Starts one child ahead of the first job. */
  warm(): void;
  close(): void;
}

/** `size` is the most children at a time; they start when they are first needed. */
export function createPool(size: number): Pool {
  const workers = new Set<Worker>();
  const waiting: Job[] = [];
  let closed = false;

  function start(): void {
    const child = spawn(
      process.execPath,
      [`--max-old-space-size=${HEAP_MB}`, '--no-warnings', ...confinement(), CHILD],
      { env: {}, cwd: '/', stdio: 'pipe' },
    );
    const worker: Worker = { process: child, ready: false, job: undefined, timer: undefined };
    workers.add(worker);
    worker.timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    // V8's report when it runs out of memory is of no use; unread, it would fill the pipe and block the child.
    child.stderr.resume();
    // The exit of a child that died is handled below; the failed write adds nothing.
    child.stdin.on('error', () => undefined);
    child.on('error', (cause) => gone(worker, cause));
    child.on('exit', () => gone(worker));
    createInterface({ input: child.stdout }).on('line', (line) => answered(worker, Reply.parse(JSON.parse(line))));
  }

  function answered(worker: Worker, reply: z.infer<typeof Reply>): void {
    clearTimeout(worker.timer);
    const job = worker.job;
    worker.job = undefined;
    worker.ready = true;
    if ('text' in reply) job?.resolve(reply.text);
    if ('error' in reply) job?.reject(refusal(job.expression, reply.error));
    assign();
  }

  function gone(worker: Worker, cause?: unknown): void {
    if (!workers.delete(worker)) return;
    clearTimeout(worker.timer);
    worker.job?.reject(refusal(worker.job.expression, 'it needs too much memory', UNFINISHED));
    // A child that never came up would never come up again: everyone waiting is told, nothing is respawned for them.
    if (!worker.ready && workers.size === 0) {
      for (const job of waiting.splice(0))
        job.reject(internal('the calculator process did not start: reinstall with npm ci', cause));
    }
    assign();
  }

  function assign(): void {
    for (const worker of workers) {
      if (!worker.ready || worker.job !== undefined) continue;
      const job = waiting.shift();
      if (job === undefined) return;
      worker.job = job;
      worker.timer = setTimeout(
        () => end(worker, refusal(job.expression, `it takes longer than ${job.timeoutMs / 1000} s`, UNFINISHED)),
        job.timeoutMs,
      );
      // The child's own deadline is later than ours: it ends the child where this process has died.
      worker.process.stdin.write(
        `${JSON.stringify({ expression: job.expression, timeoutMs: job.timeoutMs + 1_000 })}\n`,
      );
    }
    const starting = [...workers].filter((worker) => !worker.ready).length;
    if (!closed && waiting.length > starting && workers.size < size) start();
  }

  function end(worker: Worker, error: GyreError): void {
    const job = worker.job;
    worker.job = undefined;
    worker.ready = false;
    workers.delete(worker);
    clearTimeout(worker.timer);
    worker.process.kill('SIGKILL');
    job?.reject(error);
    assign();
  }

  return {
    evaluate: (expression, timeoutMs, signal) =>
      new Promise<string>((resolve, reject) => {
        if (closed) return reject(internal('the calculator is closed'));
        if (signal.aborted) return reject(cancelled());
        const settle = (): void => signal.removeEventListener('abort', abort);
        const job: Job = {
          expression,
          timeoutMs,
          resolve: (text) => {
            settle();
            resolve(text);
          },
          reject: (error) => {
            settle();
            reject(error);
          },
        };
        function abort(): void {
          const place = waiting.indexOf(job);
          if (place >= 0) {
            waiting.splice(place, 1);
            return job.reject(cancelled());
          }
          for (const worker of workers) if (worker.job === job) end(worker, cancelled());
        }
        signal.addEventListener('abort', abort, { once: true });
        waiting.push(job);
        assign();
      }),
    warm: () => {
      if (!closed && workers.size === 0) start();
    },
    close: () => {
      closed = true;
      for (const job of waiting.splice(0)) job.reject(internal('the calculator is closed'));
      for (const worker of [...workers]) end(worker, internal('the calculator is closed'));
    },
  };
}

/** Node's own permission model, where it exists: no writing, no processes, no threads, whatever mathjs lets through. */
function confinement(): string[] {
  const flag = ['--permission', '--experimental-permission'].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  return flag === undefined ? [] : [flag, '--allow-fs-read=*'];
}

function refusal(expression: string, reason: string, code?: string): GyreError {
  const shown = expression.length > 80 ? `${expression.slice(0, 80)}...` : expression;
  return badRequest(`cannot calculate "${shown}": ${reason}`, 'expression', code);
}

function cancelled(): GyreError {
  return badRequest('the calculation was cancelled', 'expression', 'cancelled');
}
