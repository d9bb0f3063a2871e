/** How other verbs find the gateway that serves a data folder: a file with its pid, start time and trainer. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { TrainerAddress } from './trainer_address.js';
import { alive, processOf, type ProcessId } from '../core/process.js';

/** What the file holds. */
export interface Presence extends ProcessId {
  readonly url: string;
  readonly trainer?: string | undefined;
  /** What requests to the trainer bring. */
  readonly trainerToken?: string | undefined;
  readonly learn: boolean;
}

const fileOf = (dataDir: string): string => join(dataDir, 'run', 'serve.json');

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
  mkdirSync(join(dataDir, 'run'), { recursive: true });
  const shown: Presence = { ...self, url, learn, trainer: trainer?.url, trainerToken: trainer?.token };
  // Removed first: a file that is there keeps the mode it has.
  rmSync(fileOf(dataDir), { force: true });
  writeFileSync(fileOf(dataDir), JSON.stringify(shown), { mode: 0o600 });
}

export function withdraw(dataDir: string): void {
  if (readFile(dataDir)?.pid === process.pid) rmSync(fileOf(dataDir), { force: true });
}

/** The gateway that serves this data folder now, if there is one. */
export function runningGateway(dataDir: string): Presence | undefined {
  const found = readFile(dataDir);
  return found !== undefined && alive(found) ? found : undefined;
}

function readFile(dataDir: string): Presence | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir), 'utf8')) as Presence;
  } catch {
    return undefined;
  }
}
