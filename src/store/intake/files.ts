/**
 * The files of intakes as they lie in a data folder, this process's and others': named, taken over, set aside. A file
 * belongs to an owner, the intake that writes it.
 */
import { readdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

import { alive, processOf } from '../../core/running/process.js';

const ENDING = '.jsonl';
/** The ending of files of which something could not be committed: kept for a person to look at. */
const QUARANTINE_ENDING = '.unsettled';

/**
 * Takes over the intakes of processes that are gone, oldest first, by renaming their files: of two processes that open
 * the folder at once, each gets the files it was first to rename. Returns the new paths. `taking` is called before the
 * files of an owner are renamed, `missed` with a new owner who did not get all of them.
 */
export function claimAbandoned(
  dataDir: string,
  taking: (from: string, to: string) => void = () => undefined,
  missed: (owner: string) => void = () => undefined,
): readonly string[] {
  const abandoned = filesIn(dataDir, ENDING).filter((name) => !isLive(ownerOf(name)));
  if (abandoned.length === 0) return [];
  // A new owner for each old one: two owners may have given the same number to different recordings.
  const newOwners = new Map([...new Set(abandoned.map(ownerOf))].map((owner) => [owner, newOwner()]));
  for (const [from, to] of newOwners) taking(from, to);
  return abandoned.flatMap((name, at) => {
    const owner = newOwners.get(ownerOf(name)) ?? '';
    const path = join(folderOf(dataDir), fileName(owner, at));
    try {
      renameSync(join(folderOf(dataDir), name), path);
      return [path];
    } catch {
      missed(owner); // another process was first
      return [];
    }
  });
}

/** Names of quarantined files. */
export function quarantinedIn(dataDir: string): readonly string[] {
  return filesIn(dataDir, QUARANTINE_ENDING);
}

export function quarantinedPaths(dataDir: string): readonly string[] {
  return quarantinedIn(dataDir).map((name) => join(folderOf(dataDir), name));
}

/** Of living processes, too. */
export function pathsIn(dataDir: string): readonly string[] {
  return filesIn(dataDir, ENDING).map((name) => join(folderOf(dataDir), name));
}

/** Bytes that are recorded and not committed, of processes that are gone as well. */
export function bytesIn(dataDir: string): number {
  return pathsIn(dataDir).reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Deletes a file whose lines are committed. Where it cannot be deleted, recovery finds its lines committed. */
export function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // A person has removed it, or the folder may not be written.
  }
}

/** Keeps a file for a person to look at, under a name that is not recovered again. */
export function quarantine(path: string): void {
  try {
    renameSync(path, path.replace(ENDING, QUARANTINE_ENDING));
  } catch {
    // A person has removed it, or the folder may not be written: then it is recovered again.
  }
}

export function folderOf(dataDir: string): string {
  return join(dataDir, 'intake');
}

export function fileName(owner: string, number: number): string {
  return `${owner}-${String(number).padStart(6, '0')}${ENDING}`;
}

function filesIn(dataDir: string, ending: string): readonly string[] {
  try {
    return readdirSync(folderOf(dataDir))
      .filter((name) => name.endsWith(ending))
      .sort((a, b) => startedAt(a) - startedAt(b) || (a < b ? -1 : 1));
  } catch {
    return []; // no gateway has made the folder yet
  }
}

/** Owners whose intake is closed although their process goes on. */
const closedOwners = new Set<string>();

export function closeOwner(owner: string): void {
  closedOwners.add(owner);
}

let ownerCount = 0;

/** Whose a file is: when its intake was opened, its process by id and start time, and a number within the process. */
export function newOwner(): string {
  ownerCount += 1;
  return `${Date.now()}.${process.pid}.${processOf(process.pid)?.startTime ?? ''}.${ownerCount}`;
}

/** The owner of a file, of its name or its path. */
export function ownerOf(path: string): string {
  return path.slice(0, path.lastIndexOf('-'));
}

function startedAt(name: string): number {
  return Number(name.split('.', 1)[0]);
}

/** Whether the owner of a file lives and has it open. */
export function ownerIsLive(path: string): boolean {
  return isLive(ownerOf(path));
}

/** Processes that have an intake open, or what one of them left, but for this one. */
export function othersOf(paths: readonly string[]): readonly number[] {
  const pids = paths.filter(ownerIsLive).map((path) => Number(basename(path).split('.')[1]));
  return [...new Set(pids)].filter((pid) => pid !== process.pid);
}

function isLive(owner: string): boolean {
  const [, pid = '', startTime = ''] = owner.split('.');
  if (Number(pid) === process.pid && (startTime === '' || processOf(process.pid)?.startTime === startTime))
    return !closedOwners.has(owner);
  if (startTime !== '') return alive({ pid: Number(pid), startTime });
  try {
    return process.kill(Number(pid), 0); // where the system does not tell a process's start, its id has to do
  } catch {
    return false;
  }
}
