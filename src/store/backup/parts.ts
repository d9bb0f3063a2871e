/** What of a data folder, beside the log, is needed to go on: named in one place for backup and restore. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { adapterName } from '../../core/learning/version.js';

/** The key reasoning is sealed with, what tools were accepted as, the index of documents. */
const ALWAYS = ['secret', 'tools', 'documents.sqlite'];
/** Where training goes on from, what became of batches, and what the engine is to hold. */
const TRAINER = [
  join('trainer', 'state'),
  join('trainer', 'batches'),
  join('run', 'loaded.json'),
  join('run', 'loaded_judges.json'),
];
/** A folder of weights without it is not whole. */
const MARKER = 'STABLE';
/** Being written just now, or left by a crash. */
const UNFINISHED = /(^\.|\.tmp$)/;

export interface Parts {
  /** Paths of files, from the data folder. */
  readonly files: readonly string[];
  /** Versions whose weights are needed and are not in this folder. */
  readonly missing: readonly number[];
}

/** `versions` are those whose weights are needed, `judges` names of judges' adapters that are. */
export function partsOf(
  dataDir: string,
  versions: Iterable<number>,
  judges: readonly string[],
  weights: boolean,
): Parts {
  const missing: number[] = [];
  const adapters = [...versions]
    .sort((a, b) => a - b)
    .flatMap((version) => {
      const folder = join('adapters', adapterName(version));
      if (existsSync(join(dataDir, folder, MARKER))) return [folder];
      missing.push(version);
      return [];
    });
  const whole = judges.map((name) => join('judges', name)).filter((at) => existsSync(join(dataDir, at, MARKER)));
  const roots = [...ALWAYS, ...(weights ? [...TRAINER, ...adapters, ...whole] : [])];
  return { files: roots.flatMap((root) => filesUnder(dataDir, root)), missing };
}

function filesUnder(dataDir: string, path: string): string[] {
  const found = statSync(join(dataDir, path), { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (!found.isDirectory()) return [path];
  return readdirSync(join(dataDir, path))
    .filter((name) => !UNFINISHED.test(name))
    .sort((a, b) => Number(a === MARKER) - Number(b === MARKER) || (a < b ? -1 : 1)) // the marker is written last
    .flatMap((name) => filesUnder(dataDir, join(path, name)));
}
