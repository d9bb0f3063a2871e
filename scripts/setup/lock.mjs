// @ts-check
/** One set-up at a time in a checkout: a lock file that holds the pid and start time of whoever works. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { isAlive, startTime } from './processes.mjs';

const LOOK_MS = 500;

/**
 * Waits until nobody else sets up, then holds the lock. Returns the release.
 * @param {string} file
 * @param {(pid: number) => void} onWait Called once, with the pid that is waited for.
 */
export async function takeLock(file, onWait) {
  mkdirSync(dirname(file), { recursive: true });
  const own = `${file}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, started: startTime(process.pid) }));
  let told = false;
  try {
    // A link either makes the name or fails: two processes never both succeed.
    while (!linked(own, file)) {
      const holder = holderOf(file);
      if (holder === undefined || !isAlive(holder)) {
        discard(file, holder, own);
        continue;
      }
      if (!told) onWait(holder.pid);
      told = true;
      await sleep(LOOK_MS);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => rmSync(file, { force: true });
}

/** @param {string} own @param {string} file */
function linked(own, file) {
  try {
    linkSync(own, file);
    return true;
  } catch (thrown) {
    if (/** @type {NodeJS.ErrnoException} */ (thrown).code === 'EEXIST') return false;
    throw thrown;
  }
}

/** @param {string} file @returns {{ pid: number, started: string } | undefined} */
function holderOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Takes a dead process's lock away. Another waiter may have done so and locked in the meantime: then what was
 * moved aside is its living lock, and it is put back.
 * @param {string} file @param {{ pid: number } | undefined} dead @param {string} own
 */
function discard(file, dead, own) {
  const aside = `${own}.aside`;
  try {
    renameSync(file, aside);
  } catch {
    return; // gone already
  }
  const moved = holderOf(aside);
  if (moved !== undefined && moved.pid !== dead?.pid && isAlive(moved)) linked(aside, file);
  rmSync(aside, { force: true });
}
