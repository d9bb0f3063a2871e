/**
 * Which faults pass. A locked database, a full disk or a process without file descriptors is no fault of what was to be
 * written: it waits and is tried again. Whatever says that a row itself is wrong will say so for ever.
 */
import { statfsSync } from 'node:fs';

import { GyreError, reasonOf } from '../../core/errors.js';

/** SQLite's primary codes that are about the file, the disk, the memory or who else writes, and not about a row. */
const PASSING =
  /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|NOMEM|PROTOCOL|READONLY|INTERRUPT|SCHEMA|PERM|AUTH|NOLFS)(_|$)/;
/** The system's, where a file or a thread is opened or written without SQLite. */
const SYSTEM = new Set(
  (
    'EAGAIN EBUSY EACCES EDQUOT EFBIG EIO EMFILE ENFILE ENOMEM ENOSPC EPERM EROFS ' +
    // A network's disk, a folder that is not mounted.
    'ESTALE ENODEV ENXIO ETIMEDOUT EHOSTDOWN ENOENT ENOTCONN'
  ).split(' '),
);
/** A thread's own memory was used up: by what it has in hand, or by all it had at once. */
const NO_MEMORY = 'ERR_WORKER_OUT_OF_MEMORY';
const NO_THREAD = /E(MFILE|NFILE|AGAIN|NOMEM)/;
/** With less than this left, whatever SQLite calls the fault: the disk is full. */
const FULL_BYTES = 256 * 1024;

export function isPassing(fault: unknown): boolean {
  if (fault instanceof GyreError) return isPassing(fault.cause);
  const code = codeOf(fault);
  if (code === 'ERR_WORKER_INIT_FAILED') return NO_THREAD.test(reasonOf(fault));
  if (code === NO_MEMORY) return true;
  return code.startsWith('SQLITE_') ? PASSING.test(code) : SYSTEM.has(code);
}

export function isOutOfMemory(fault: unknown): boolean {
  return codeOf(fault) === NO_MEMORY;
}

/** The fault in an operator's words; `folder` is where the files lie. */
export function passingReason(fault: unknown, folder: string): string {
  const cause = fault instanceof GyreError && fault.cause !== undefined ? fault.cause : fault;
  const code = codeOf(cause);
  if (isFull(code, folder)) return `the disk is full (${reasonOf(cause)})`;
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return `another program holds the database (${reasonOf(cause)})`;
  if (/E[MN]FILE/.test(`${code} ${reasonOf(cause)}`))
    return `the process has no file descriptors left (${reasonOf(cause)}); raise "ulimit -n"`;
  return code === '' ? reasonOf(cause) : `${reasonOf(cause)} (${code})`;
}

/** Where the disk is full SQLite says so only of the database itself; of its other files it says "disk I/O error". */
export function isFull(code: string, folder: string): boolean {
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') return true;
  if (!/^SQLITE_(IOERR|CANTOPEN)/.test(code)) return false;
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < FULL_BYTES;
  } catch {
    return false;
  }
}

export function codeOf(fault: unknown): string {
  return fault instanceof Error && 'code' in fault && typeof fault.code === 'string' ? fault.code : '';
}
