/** A gateway as a process of its own, by the compiled command line, as scripts that attack one need it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Gateway {
  readonly child: ChildProcess;
  readonly url: string;
}

/** The compiled command line beside this file. */
export const COMMAND = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** Resolves when it is ready; throws what it said where it ends before. */
export async function serveGateway(
  main: string,
  options: { readonly folder: string; readonly engine: string; readonly config: string },
): Promise<Gateway> {
  const { folder, engine, config } = options;
  const file = join(folder, 'gyre.yaml');
  writeFileSync(file, config);
  const args = [main, 'serve', '--config', file, '--data', folder, '--port', '0', '--engine', engine];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As `npm start` does (docs/running.md, Memory).
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], MALLOC_MMAP_THRESHOLD_: '131072' },
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-10_000)));
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('ready ')) {
      child.stdout.resume();
      return { child, url: line.slice('ready '.length) };
    }
  throw new Error(`the gateway ended before it was ready: ${said}`);
}

/** How it ended: its exit code, or the signal. */
export async function endGateway({ child }: Gateway, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string> {
  const gone = once(child, 'exit');
  child.kill(signal);
  const [code, by] = (await gone) as [number | null, string | null];
  return code ?? by ?? 'nothing';
}

/** Resident bytes of a process, as Linux counts them. */
export function residentBytes(pid: number): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1];
  return Number(pages) * 4096;
}
