/** The compiled command line as a process of its own. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a verb to its end. */
export const gyre = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { cwd: tmpdir() }, (fault, out, err) =>
      resolve({ code: fault === null ? 0 : Number(fault.code), out, err }),
    );
  });
