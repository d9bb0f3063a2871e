/** The processes of the gateway benchmark: started, asked for an address, counted with their children, and ended. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import type { LoadOptions, LoadResult } from './load.js';
import type { Counts, Role } from './roles.js';

export interface Running {
  readonly url: string;
  readonly pid: number;
  /** Only our own roles know; a peer answers nothing. */
  counts(): Promise<Counts | undefined>;
  stop(): Promise<void>;
}

const children = new Set<ChildProcess>();

/** Nothing this benchmark started outlives it. */
export function endAll(): void {
  for (const child of children) end(child, 'SIGKILL');
}

const ROLES = fileURLToPath(new URL('./roles.js', import.meta.url));

/** One of our roles, in a process of its own; `module` is the file of roles of another build. */
export async function startRole(
  role: Role,
  options: Readonly<Record<string, unknown>>,
  module = ROLES,
): Promise<Running> {
  const child = fork(module, [role, JSON.stringify(options)], {
    execArgv: profileArgs(role),
  });
  children.add(child);
  const url = await reply<string>(child);
  return {
    url,
    pid: child.pid ?? 0,
    counts: () => {
      child.send('counts');
      return reply<Counts>(child);
    },
    stop: () => ended(child, () => child.send('stop')),
  };
}

/** Someone else's gateway: ready when its port takes connections and answers anything. */
export async function startCommand(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly port: number },
): Promise<Running> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  children.add(child);
  let output = '';
  const keep = (part: Buffer): void => void (output = (output + part.toString()).slice(-2_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const url = `http://127.0.0.1:${options.port}`;
  const deadline = Date.now() + 90_000;
  for (;;) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${command} did not come up: ${output}`);
    const answered = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      () => true,
      () => false,
    );
    if (answered) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    url,
    pid: child.pid ?? 0,
    counts: () => Promise.resolve(undefined),
    stop: () => ended(child, () => end(child, 'SIGTERM')),
  };
}

/** The load, in a process of its own. */
export function load(options: LoadOptions): Promise<LoadResult> {
  const child = fork(fileURLToPath(new URL('./load.js', import.meta.url)), [JSON.stringify(options)]);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return reply<LoadResult>(child);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** CPU time in microseconds and resident bytes of a process and all its descendants, as the kernel counts them. */
export function usageOf(pid: number): { readonly cpuMicros: number; readonly rss: number } {
  const parents = new Map<number, number>();
  const stats = new Map<number, string[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(name), Number(fields[1]));
      stats.set(Number(name), fields);
    } catch {
      // It has ended meanwhile.
    }
  }
  let ticks = 0;
  let pages = 0;
  for (const [each, fields] of stats) {
    let up: number | undefined = each;
    while (up !== undefined && up !== pid && up > 1) up = parents.get(up);
    if (up !== pid) continue;
    ticks += Number(fields[11]) + Number(fields[12]);
    pages += Number(fields[21]);
  }
  return { cpuMicros: ticks * 10_000, rss: pages * 4_096 };
}

/** Asks the process to end and waits until it has; after a while it is killed. */
function ended(child: ChildProcess, ask: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(() => end(child, 'SIGKILL'), 8_000);
    child.once('exit', () => {
      clearTimeout(late);
      children.delete(child);
      resolve();
    });
    ask();
  });
}

/** With its children, where it leads a group of its own. */
function end(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  if (child.connected) child.kill(signal);
  else {
    try {
      process.kill(-child.pid, signal);
    } catch {
      child.kill(signal);
    }
  }
}

/** `GYRE_BENCH_PROFILE=DIR` leaves CPU profiles there, one per thread. */
function profileArgs(role: Role): string[] {
  const dir = process.env['GYRE_BENCH_PROFILE'];
  return dir === undefined || role === 'engine' ? [] : ['--cpu-prof', `--cpu-prof-dir=${dir}`];
}

function reply<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T));
    child.once('exit', (code) => reject(new Error(`a process of the benchmark ended with ${code}`)));
  });
}
