/**
 * How other verbs find the gateways that serve a data folder: files with pid, start time and trainer of each. A gateway
 * is there from before it opens the folder until it has closed it: nobody may take the folder from under it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { TrainerAddress } from './trainer_address.js';
import { reasonOf } from '../core/errors.js';
import { alive, processOf, type ProcessId } from '../core/running/process.js';

/** What a file holds. */
export interface Presence extends ProcessId {
  /** Absent until it listens. */
  readonly url?: string | undefined;
  readonly trainer?: string | undefined;
  /** What requests to the trainer bring. */
  readonly trainerToken?: string | undefined;
  readonly learn: boolean;
}

const folderOf = (dataDir: string): string => join(dataDir, 'run');
/** Earlier builds called that of the first one `serve.json`. */
const NAME = /^serve(-\d+)?\.json$/;
/** One file for each process: two that start at once do not write the same. */
const OWN = `serve-${process.pid}.json`;

/** How long a gateway may take to say whether it is busy. */
const HEALTH_MS = 1_000;

interface Announced {
  readonly url?: string | undefined;
  readonly trainer?: TrainerAddress | undefined;
  readonly learn: boolean;
}

/** {@link announce} for a gateway: also one that cannot say so serves, and its intake names it, too. */
export function tellOthers(dataDir: string, announced: Announced, warn: (text: string) => void): void {
  try {
    announce(dataDir, announced);
  } catch (thrown) {
    warn(`other commands are not told that this gateway runs, and where: ${reasonOf(thrown)}`);
  }
}

/** Says that this process serves the folder, or says it anew. */
export function announce(dataDir: string, { url, trainer, learn }: Announced): void {
  const self = processOf(process.pid);
  if (self === undefined) return;
  mkdirSync(folderOf(dataDir), { recursive: true, mode: 0o700 });
  for (const [file, presence] of filesIn(dataDir)) if (!alive(presence)) remove(dataDir, file);
  const shown: Presence = { ...self, url, learn, trainer: trainer?.url, trainerToken: trainer?.token };
  const path = join(folderOf(dataDir), OWN);
  // Renamed: whoever reads it meanwhile has the one before, whole; and a file that is there keeps the mode it has.
  rmSync(`${path}.new`, { force: true });
  writeFileSync(`${path}.new`, JSON.stringify(shown), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function withdraw(dataDir: string): void {
  try {
    remove(dataDir, OWN);
  } catch {
    // It names a process that will be gone.
  }
}

/** As it is named to an operator. */
export function named({ pid, url }: Presence): string {
  return `process ${pid}, ${url ?? 'which does not listen yet or any more'}`;
}

/** The gateway that serves this data folder now, if there is one; of several the one that has a trainer. */
export function runningGateway(dataDir: string): Presence | undefined {
  const running = runningGateways(dataDir);
  return running.find(({ trainer }) => trainer !== undefined) ?? running[0];
}

/** Whether a gateway that serves this data folder is answering a client now. One that does not say is not. */
export async function busyGateway(dataDir: string): Promise<boolean> {
  const asked = runningGateways(dataDir).map(async ({ url }) => {
    if (url === undefined) return false;
    const health = await fetch(new URL('/health', url), { signal: AbortSignal.timeout(HEALTH_MS) });
    const { in_flight: answering } = (await health.json()) as { readonly in_flight?: unknown };
    return typeof answering === 'number' && answering > 0;
  });
  return (await Promise.allSettled(asked)).some((told) => told.status === 'fulfilled' && told.value);
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
