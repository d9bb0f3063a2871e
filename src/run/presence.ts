/** How other verbs find the gateways that serve a data folder: files with pid, start time and trainer of each. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { TrainerAddress } from './trainer_address.js';
import { alive, processOf, type ProcessId } from '../core/running/process.js';

/** What a file holds. */
export interface Presence extends ProcessId {
  readonly url: string;
  readonly trainer?: string | undefined;
  /** What requests to the trainer bring. */
  readonly trainerToken?: string | undefined;
  readonly learn: boolean;
}

const folderOf = (dataDir: string): string => join(dataDir, 'run');
/** Of the first gateway; those beside it have their process in the name. */
const FIRST = 'serve.json';
const NAME = /^serve(-\d+)?\.json$/;

export function announce(
  dataDir: string,
  {
    url,
    trainer,
    learn,
  }: { readonly url: string; readonly trainer: TrainerAddress | undefined; readonly learn: boolean },
): void {
  const self = processOf(process.pid);
  if (self === undefined) return;
  mkdirSync(folderOf(dataDir), { recursive: true });
  for (const [file, presence] of filesIn(dataDir)) if (!alive(presence)) remove(dataDir, file);
  const shown: Presence = { ...self, url, learn, trainer: trainer?.url, trainerToken: trainer?.token };
  const file = read(dataDir, FIRST) === undefined ? FIRST : `serve-${process.pid}.json`;
  // Removed first: a file that is there keeps the mode it has.
  remove(dataDir, file);
  writeFileSync(join(folderOf(dataDir), file), JSON.stringify(shown), { mode: 0o600 });
}

export function withdraw(dataDir: string): void {
  for (const [file, { pid }] of filesIn(dataDir)) if (pid === process.pid) remove(dataDir, file);
}

/** The gateway that serves this data folder now, if there is one; of several the one that has a trainer. */
export function runningGateway(dataDir: string): Presence | undefined {
  const running = runningGateways(dataDir);
  return running.find(({ trainer }) => trainer !== undefined) ?? running[0];
}

/** Others than this process that serve the data folder. */
export function otherGateways(dataDir: string): readonly Presence[] {
  return runningGateways(dataDir).filter(({ pid }) => pid !== process.pid);
}

function runningGateways(dataDir: string): readonly Presence[] {
  return filesIn(dataDir).flatMap(([, presence]) => (alive(presence) ? [presence] : []));
}

function filesIn(dataDir: string): readonly (readonly [file: string, presence: Presence])[] {
  try {
    return readdirSync(folderOf(dataDir))
      .filter((file) => NAME.test(file))
      .flatMap((file) => {
        const presence = read(dataDir, file);
        return presence === undefined ? [] : [[file, presence] as const];
      });
  } catch {
    return []; // no gateway has made the folder yet
  }
}

function read(dataDir: string, file: string): Presence | undefined {
  try {
    return JSON.parse(readFileSync(join(folderOf(dataDir), file), 'utf8')) as Presence;
  } catch {
    return undefined;
  }
}

function remove(dataDir: string, file: string): void {
  rmSync(join(folderOf(dataDir), file), { force: true });
}
