/** Restoring: a data folder is made of a backup, whole or not at all, and brought to this build's shape. */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';

import Database from 'better-sqlite3';

import { operatorError, reasonOf } from '../../core/errors.js';
import type { Redactor } from '../../core/text/redact.js';
import { otherWriter } from '../intake/heads.js';
import { recoverAbandoned } from '../beside/recover.js';
import { openStore } from '../file/db.js';
import { FORMAT, gib, hashOf } from './backup.js';

/** What a data folder is made of, and is put aside where it is replaced; `logs` stay. */
const OWN = [
  'gyre.db',
  'gyre.db-wal',
  'gyre.db-shm',
  'recordings.db',
  'intake',
  'heads',
  'adapters',
  'judges',
  'trainer',
];
const ALSO = ['secret', 'tools', 'documents.sqlite', 'documents.sqlite-wal', 'documents.sqlite-shm', 'run'];
const STAGING = '.restoring';

export interface Restored {
  readonly steps: number;
  /** When the backup was made: milliseconds since 1970. */
  readonly madeAt: number;
  readonly files: number;
  /** Where what was there before lies now. */
  readonly before: string | undefined;
}

export interface RestoreOptions {
  /** Whether a log that is there may be put aside. */
  readonly replace: boolean;
  readonly redactor: Redactor | undefined;
  readonly progress: (what: string) => void;
}

export async function restore(file: string, dataDir: string, options: RestoreOptions): Promise<Restored> {
  const madeAt = checked(file);
  if (existsSync(join(dataDir, 'gyre.db')) && !options.replace)
    throw operatorError(
      `"${dataDir}" holds a log already; name an empty folder with --data DIR, or say --replace to put what is there ` +
        'aside, in a folder of its own beside it',
    );
  refuseWritten(dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const staging = join(dataDir, STAGING);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { mode: 0o700 });
  try {
    options.progress(`copying ${gib(statSync(file).size)}`);
    copyFileSync(file, join(staging, 'gyre.db'));
    chmodSync(join(staging, 'gyre.db'), 0o600); // the copy has the backup's, which may be anybody's
    const files = unpack(staging, options.progress);
    const steps = await broughtUp(staging, options);
    // It may have been started meanwhile: what it acknowledges would be put aside with the rest.
    refuseWritten(dataDir);
    const before = existsSync(join(dataDir, 'gyre.db')) ? putAside(dataDir) : undefined;
    for (const name of readdirSync(staging)) moveInto(join(staging, name), join(dataDir, name));
    return { steps, madeAt, files, before };
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function refuseWritten(dataDir: string): void {
  const pid = otherWriter(dataDir);
  if (pid === undefined) return;
  throw operatorError(`process ${pid} writes to "${dataDir}"; end it first, or name another folder with --data DIR`);
}

/** When it was made; throws where it is no backup. */
function checked(file: string): number {
  if (!existsSync(file)) throw operatorError(`there is no file "${file}"`);
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      const info = db
        .prepare<[], { format: string; madeAt: number }>('SELECT format, created_at AS madeAt FROM backup_info')
        .get();
      if (info?.format !== FORMAT)
        throw new Error(`it is of the format "${info?.format ?? ''}", and this build knows ${FORMAT}`);
      return info.madeAt;
    } finally {
      db.close();
    }
  } catch (thrown) {
    throw operatorError(`"${file}" is no backup that can be restored: ${reasonOf(thrown)}`, thrown);
  }
}

/** Writes the other files, each chunk proven by its hash, and takes them out of the log's file. */
function unpack(staging: string, progress: (what: string) => void): number {
  const db = new Database(join(staging, 'gyre.db'));
  try {
    progress('checking it');
    const [sound] = db.pragma('quick_check(1)') as { readonly quick_check: string }[];
    if (sound?.quick_check !== 'ok') throw operatorError(`the backup is damaged: ${sound?.quick_check ?? ''}`);
    const chunks = db.prepare<[], { path: string; bytes: Buffer; hash: string }>(
      'SELECT path, bytes, hash FROM backup_files ORDER BY path, at',
    );
    const written = new Set<string>();
    for (const { path, bytes, hash } of chunks.iterate()) {
      if (hashOf(bytes) !== hash) throw operatorError(`the backup is damaged: "${path}" is not as it was written`);
      const target = normalize(join(staging, path));
      if (!target.startsWith(`${normalize(staging)}${sep}`))
        throw operatorError(`the backup is no backup of ours: it would write "${path}" outside the data folder`);
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      appendFileSync(target, bytes, { mode: 0o600 });
      written.add(path);
    }
    db.exec('DROP TABLE backup_files; DROP TABLE backup_info; PRAGMA incremental_vacuum');
    return written.size;
  } finally {
    db.close();
  }
}

/** Brought to this build's shape, and what was in the intakes is committed. Throws where it is of a newer build. */
async function broughtUp(staging: string, { redactor, progress }: RestoreOptions): Promise<number> {
  const store = openStore(staging, progress);
  try {
    const reasons = await recoverAbandoned(store, staging, { redactor });
    for (const reason of reasons) progress(`an answer could not be committed: ${reasonOf(reason)}`);
    return store.sqlite.prepare<[], { steps: number }>('SELECT count(*) AS steps FROM steps').get()?.steps ?? 0;
  } finally {
    store.close();
  }
}

function putAside(dataDir: string): string {
  const folder = join(dataDir, `replaced-${new Date().toISOString().replaceAll(':', '-')}`);
  mkdirSync(folder, { mode: 0o700 });
  for (const name of [...OWN, ...ALSO])
    if (existsSync(join(dataDir, name))) renameSync(join(dataDir, name), join(folder, name));
  return folder;
}

/** A folder that is there already (`run`, `intake`) is added to. */
function moveInto(from: string, to: string): void {
  if (statSync(from).isDirectory() && existsSync(to))
    for (const name of readdirSync(from)) moveInto(join(from, name), join(to, name));
  else renameSync(from, to);
}
