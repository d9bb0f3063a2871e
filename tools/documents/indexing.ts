/**
 * Brings the catalogue up to date with one folder of .md and .txt files. Only what changed is read: a file
 * with the time and size it had is skipped, one with the same content is noted. Each file is one transaction,
 * so an interrupted run is continued by the next.
 */
import type { Database } from 'better-sqlite3';
import { type Dirent, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';

import { operatorError, reasonOf } from '../../src/core/errors.js';
import { decodeText } from '../../src/core/text/decode.js';
import { sha256 } from '../../src/core/text/hash.js';
import { createCatalogue } from './catalogue.js';
import { passagesOf } from './passages.js';

const EXTENSIONS: readonly string[] = ['.md', '.markdown', '.txt'];
/** Bytes; a larger file is data, not a document. */
const MAX_BYTES = 16 * 1024 * 1024;

export interface IndexProgress {
  readonly done: number;
  readonly total: number;
  /** Relative to the folder. */
  readonly file: string;
  /** Why this file is left out. */
  readonly skipped?: string | undefined;
}

export interface IndexReport {
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly removed: number;
  /** Passages of this folder now in the catalogue. */
  readonly passages: number;
  /** Left out; the progress names each with its reason. */
  readonly skipped: number;
}

interface Known {
  readonly id: number;
  readonly path: string;
  readonly mtime_ms: number;
  readonly size: number;
  readonly hash: string;
}

/** Other folders' documents stay as they are. Throws an operator error when `dir` is no readable folder. */
export function indexDocuments(
  dataDir: string,
  dir: string,
  onProgress: (progress: IndexProgress) => void = () => undefined,
): IndexReport {
  const root = folder(dir);
  const db = createCatalogue(dataDir);
  try {
    return bringUpToDate(db, root, onProgress);
  } finally {
    db.close();
  }
}

function bringUpToDate(db: Database, root: string, onProgress: (progress: IndexProgress) => void): IndexReport {
  const known = new Map(
    (db.prepare('SELECT id, path, mtime_ms, size, hash FROM documents WHERE root = ?').all(root) as Known[]).map(
      (row) => [row.path, row],
    ),
  );
  const counts = { added: 0, changed: 0, unchanged: 0, removed: 0, skipped: 0 };
  const files = documentsIn(root);
  files.forEach(({ file, skipped }, at) => {
    const before = known.get(file);
    const outcome = skipped === undefined ? refresh(db, root, file, before) : { skipped };
    if (typeof outcome === 'string') {
      counts[outcome] += 1;
      known.delete(file);
    } else counts.skipped += 1;
    onProgress({ done: at + 1, total: files.length, file, ...(typeof outcome === 'string' ? {} : outcome) });
  });
  // What is left is gone from the folder, or is no document any more.
  const forget = db.prepare('DELETE FROM documents WHERE id = ?');
  for (const { id } of known.values()) {
    forget.run(id);
    counts.removed += 1;
  }
  const passages = db
    .prepare('SELECT count(*) FROM passages JOIN documents ON documents.id = document_id WHERE root = ?')
    .pluck()
    .get(root) as number;
  return { ...counts, passages };
}

function refresh(
  db: Database,
  root: string,
  file: string,
  before: Known | undefined,
): 'added' | 'changed' | 'unchanged' | { readonly skipped: string } {
  let body: Buffer;
  let mtimeMs: number;
  try {
    const stat = statSync(join(root, file));
    if (before !== undefined && before.mtime_ms === stat.mtimeMs && before.size === stat.size) return 'unchanged';
    if (stat.size > MAX_BYTES)
      return { skipped: `it is too large: ${stat.size} bytes, and at most ${MAX_BYTES} are read` };
    mtimeMs = stat.mtimeMs;
    body = readFileSync(join(root, file));
  } catch (thrown) {
    return { skipped: `it cannot be read: ${reasonOf(thrown)}` };
  }
  const decoded = decodeText(body, true);
  if (decoded.text === undefined) return { skipped: decoded.fault };
  const hash = sha256(body);
  if (before?.hash === hash) {
    db.prepare('UPDATE documents SET mtime_ms = ?, size = ? WHERE id = ?').run(mtimeMs, body.length, before.id);
    return 'unchanged';
  }
  const passages = passagesOf(decoded.text, extname(file).toLowerCase() !== '.txt');
  db.transaction(() => {
    if (before !== undefined) db.prepare('DELETE FROM documents WHERE id = ?').run(before.id);
    const { lastInsertRowid } = db
      .prepare('INSERT INTO documents (root, path, mtime_ms, size, hash) VALUES (?, ?, ?, ?, ?)')
      .run(root, file, mtimeMs, body.length, hash);
    const add = db.prepare('INSERT INTO passages (document_id, heading, text) VALUES (?, ?, ?)');
    for (const { heading, text } of passages) add.run(lastInsertRowid, heading, text);
  }).immediate();
  return before === undefined ? 'added' : 'changed';
}

/** A path that is named like a document, or of a folder that cannot be read. */
interface Found {
  /** Relative to the root. */
  readonly file: string;
  /** Why it is not even looked into. */
  readonly skipped?: string | undefined;
}

/** Sorted. Hidden entries, node_modules and links to folders are left out. Throws where the root cannot be read. */
function documentsIn(root: string): Found[] {
  const found: Found[] = [];
  const walk = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      const path = join(at, entry.name);
      const file = relative(root, path);
      if (entry.isDirectory()) {
        try {
          walk(path);
        } catch (thrown) {
          found.push({ file, skipped: `the folder cannot be read: ${reasonOf(thrown)}` });
        }
      } else if (EXTENSIONS.includes(extname(entry.name).toLowerCase()) && !isLinkedFolder(entry, path))
        found.push({ file, skipped: refusal(entry, path, root) });
    }
  };
  try {
    walk(root);
  } catch (cause) {
    throw operatorError(`the folder "${root}" cannot be read: ${reasonOf(cause)}`, cause);
  }
  return found.sort((a, b) => (a.file < b.file ? -1 : 1));
}

function isLinkedFolder(entry: Dirent, path: string): boolean {
  if (!entry.isSymbolicLink()) return false;
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // it leads nowhere, or in a circle: that is said of it as of a file
  }
}

/** Why something with the name of a document is not to be opened: a pipe would be waited for, and for ever. */
function refusal(entry: Dirent, path: string, root: string): string | undefined {
  if (entry.isFile()) return undefined;
  if (!entry.isSymbolicLink()) return `it is no file but ${kindOf(entry)}`;
  try {
    const target = realpathSync(path);
    if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) return 'it is a link that leads out of the folder';
    const stat = statSync(target);
    return stat.isFile() ? undefined : `it is a link to ${kindOf(stat)}`;
  } catch (thrown) {
    return `it is a link that leads nowhere: ${reasonOf(thrown)}`;
  }
}

function kindOf(entry: Pick<Dirent, 'isFIFO' | 'isSocket'>): string {
  return entry.isFIFO() ? 'a named pipe' : entry.isSocket() ? 'a socket' : 'a device';
}

function folder(dir: string): string {
  try {
    const root = realpathSync(dir);
    if (statSync(root).isDirectory()) return root;
  } catch (cause) {
    throw operatorError(`the folder "${dir}" cannot be read: ${reasonOf(cause)}`, cause);
  }
  throw operatorError(`"${dir}" is not a folder; name the folder that holds the .md and .txt files`);
}
