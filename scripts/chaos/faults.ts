/** What goes wrong around a gateway: its disk is full, another program holds its database, or reads it and stays. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const FAULTS = ['disk full', 'locked', 'reader'] as const;
export type Fault = (typeof FAULTS)[number];

/** A data folder, on a small disk of its own where this process may mount one. */
export interface Disk {
  readonly folder: string;
  /** Whether it is a disk of its own. */
  readonly small: boolean;
  remove(): void;
}

const DISK_BYTES = 256 * 1024 * 1024;

export function makeDisk(): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-chaos-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return { folder, small: false, remove };
  }
  return {
    folder,
    small: true,
    remove() {
      execFileSync('umount', ['-l', folder]);
      remove();
    },
  };
}

/** Begins a fault for a gateway with this pid; returns how it ends. */
export async function begin(fault: Fault, disk: Disk, pid: number): Promise<() => void> {
  if (fault === 'disk full') return disk.small ? fill(disk.folder) : limit(pid);
  const sql = fault === 'locked' ? ['BEGIN EXCLUSIVE'] : ['BEGIN', 'SELECT count(*) FROM steps'];
  return hold(join(disk.folder, 'gyre.db'), sql);
}

function fill(folder: string): () => void {
  const file = join(folder, 'filler');
  for (const size of [1 << 20, 1 << 12])
    try {
      for (;;) appendFileSync(file, Buffer.alloc(size));
    } catch {
      // full, for pieces of this size
    }
  return () => rmSync(file, { force: true });
}

/** Without a disk of its own: no file of the process may grow. */
function limit(pid: number): () => void {
  execFileSync('prlimit', ['--pid', String(pid), '--fsize=1:unlimited']);
  return () => undefined; // the limit ends with the process
}

async function hold(file: string, sql: readonly string[]): Promise<() => void> {
  const text =
    `import Database from ${JSON.stringify(import.meta.resolve('better-sqlite3'))};` +
    `const db = new Database(${JSON.stringify(file)}, { timeout: 5000 });` +
    `for (const sql of ${JSON.stringify(sql)}) { const s = db.prepare(sql); s.reader ? s.all() : s.run(); }` +
    `process.stdout.write('held'); process.stdin.resume();`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', text], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'exit')]);
  return () => void child.kill('SIGKILL');
}
