/** Processes by pid and start time: the system gives a pid alone to another process later. */
import { readFileSync, readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot at which it began (/proc/PID/stat, field 22). */
  readonly startTime: string;
}

/** The process with this pid, as it is now; undefined when there is none. */
export function processOf(pid: number): ProcessId | undefined {
  try {
    return read(pid);
  } catch {
    return undefined;
  }
}

/** Whether this very process still runs; false for another one that was given its pid. */
export function alive({ pid, startTime }: ProcessId): boolean {
  try {
    return read(pid)?.startTime === startTime;
  } catch (thrown) {
    // Without a file descriptor to look with: better a process too many alive than one whose work is taken from it.
    return ['EMFILE', 'ENFILE'].includes((thrown as NodeJS.ErrnoException).code ?? '');
  }
}

function read(pid: number): ProcessId | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTime = fields[19];
  // A zombie ('Z') has ended; only its parent has not asked how.
  return fields[0] === 'Z' || startTime === undefined ? undefined : { pid, startTime };
}

/** What was recorded in a file, if it still names one process. */
export function readProcess(path: string): ProcessId | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<ProcessId>;
    return typeof value.pid === 'number' && typeof value.startTime === 'string'
      ? { pid: value.pid, startTime: value.startTime }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Lowers the priority of this thread alone, where the system can tell threads apart. */
export function yieldProcessor(niceness: number): void {
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), niceness);
  } catch {
    // Elsewhere a priority belongs to the whole process.
  }
}
