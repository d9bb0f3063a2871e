/**
 * The trainer service as a child process: started, restarted with growing pauses when it dies, ended with this process.
 * A child that a crashed gateway left behind is ended first. It is known by its recorded pid and start time, never by
 * its name; the child of a gateway that still lives is left alone.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { reasonOf } from '../core/errors.js';
import { alive, processOf, readProcess } from '../core/running/process.js';

export interface LaunchOptions {
  /** The interpreter of the trainer's environment. */
  readonly python: string;
  /** Arguments after `-m gyre_trainer`; the parent's pid is added. */
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Where logs and process records go. */
  readonly dataDir: string;
  /**
   * Called with the address when the trainer listens, with the reason when it has ended, and with a sentence when it
   * will not be started again, since it does not support the model.
   */
  readonly changed: (
    state: { readonly url: string } | { readonly down: string } | { readonly unsupported: string },
  ) => void;
  readonly pauses?: Partial<Pauses> | undefined;
}

export interface Launched {
  /** Ends the child and everything it started. Idempotent. */
  stop(): Promise<void>;
}

/** Milliseconds. */
interface Pauses {
  readonly first: number;
  readonly longest: number;
  /** A run this long counts as healthy: the next fault starts again from the first pause. */
  readonly healthy: number;
  /** How long a child may take to end its engine before it is killed. */
  readonly stop: number;
}

const PAUSES: Pauses = { first: 1_000, longest: 60_000, healthy: 60_000, stop: 20_000 };
/** How the trainer ends before it serves a model that it cannot compute right: its last line says why. */
const UNSUPPORTED = 78;
interface Ended {
  readonly why: string;
  readonly final?: true;
}
/** Bytes; a longer log is renamed to `.old` when a child starts. */
const LOG_LIMIT = 16 * 1024 * 1024;

export function launchTrainer({ python, args, env, dataDir, changed, pauses: given = {} }: LaunchOptions): Launched {
  const pauses = { ...PAUSES, ...given };
  const record = join(dataDir, 'run', 'trainer.json');
  const parentRecord = join(dataDir, 'run', 'trainer-parent.json');
  const log = join(dataDir, 'logs', 'trainer.log');
  mkdirSync(join(dataDir, 'run'), { recursive: true });
  mkdirSync(join(dataDir, 'logs'), { recursive: true });
  const stopping = new AbortController();
  let child: ChildProcess | undefined;

  /** Runs one child to its end; returns why it ended, and whether it is of no use to start it again. */
  const runChild = async (): Promise<Ended> => {
    const owner = readProcess(parentRecord);
    if (owner !== undefined && owner.pid !== process.pid && alive(owner) && isRunning(record)) {
      return {
        why:
          `the trainer of "${dataDir}" belongs to the running gateway with process ${owner.pid}: ` +
          'end that one, or use another --data folder',
      };
    }
    await endStale(record, pauses.stop);
    if (stopping.signal.aborted) return { why: 'stopped' };
    rotate(log);
    const out = openSync(log, 'a');
    const before = statSync(log).size;
    // A group of its own: a terminal's Ctrl-C reaches only us, and we end it in order.
    const started = spawn(python, ['-m', 'gyre_trainer', ...args, '--parent-pid', String(process.pid)], {
      stdio: ['ignore', 'pipe', out],
      detached: true,
      env,
    });
    closeSync(out);
    const ended = new Promise<Ended>((resolve) => {
      started.once('error', (fault) => resolve({ why: `it could not be started: ${reasonOf(fault)}` }));
      started.once('exit', (code, signal) =>
        resolve(
          code === UNSUPPORTED
            ? { why: lastLine(log, before), final: true }
            : {
                why: `it ended with ${signal ?? `code ${code ?? '?'}`}${inBrackets(lastLine(log, before))}; see ${log}`,
              },
        ),
      );
    });
    child = started;
    const identity = started.pid === undefined ? undefined : processOf(started.pid);
    if (identity !== undefined) {
      writeFileSync(record, JSON.stringify(identity));
      writeFileSync(parentRecord, JSON.stringify(processOf(process.pid) ?? {}));
    }
    let output = '';
    started.stdout?.setEncoding('utf8').on('data', (text: string) => {
      append(log, text);
      output = (output + text).slice(-4_096);
      const url = /^listening (http:\/\/\S+)$/m.exec(output)?.[1];
      if (url === undefined) return;
      output = '';
      changed({ url });
    });
    const why = await ended;
    rmSync(record, { force: true });
    child = undefined;
    return why;
  };

  const running = (async () => {
    for (let pause = pauses.first; !stopping.signal.aborted; pause = Math.min(2 * pause, pauses.longest)) {
      const began = performance.now();
      const { why, final } = await runChild().catch((fault: unknown): Ended => ({ why: reasonOf(fault) }));
      if (stopping.signal.aborted) return;
      changed(final === true ? { unsupported: why } : { down: why });
      if (final === true) return;
      if (performance.now() - began > pauses.healthy) pause = pauses.first;
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  return {
    async stop() {
      stopping.abort();
      if (child !== undefined) await end(child, pauses.stop);
      await running;
    },
  };
}

async function end(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const late = setTimeout(() => killGroup(child.pid), graceMs);
  await ended;
  clearTimeout(late);
}

function isRunning(record: string): boolean {
  const recorded = readProcess(record);
  return recorded !== undefined && alive(recorded);
}

/** Ends what a crashed run left behind, if it is still exactly that process. */
async function endStale(record: string, graceMs: number): Promise<void> {
  const stale = readProcess(record);
  if (stale === undefined || !alive(stale)) return;
  try {
    process.kill(stale.pid, 'SIGTERM');
  } catch {
    return; // it ended between the check and the signal
  }
  for (let waited = 0; waited < graceMs && alive(stale); waited += 100) await sleep(100);
  if (alive(stale)) killGroup(stale.pid);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/** A full disk costs the line, not the gateway. */
function append(log: string, text: string): void {
  try {
    appendFileSync(log, text);
  } catch {
    // The operator learns of a full disk from `/health`, where writes of the step log fail too.
  }
}

/** The last line that this run of the child wrote to its log, in parentheses; empty where it wrote none. */
function lastLine(log: string, from: number): string {
  try {
    const line = readFileSync(log).subarray(from).toString('utf8').trimEnd().split('\n').at(-1)?.trim() ?? '';
    return line.slice(0, 400);
  } catch {
    return '';
  }
}

function inBrackets(line: string): string {
  return line === '' ? '' : ` (${line.slice(0, 200)})`;
}

function rotate(log: string): void {
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) renameSync(log, `${log}.old`);
}
