/**
 * The catalogue of indexed documents: DATA/documents.sqlite, a file of its own because it is made from the
 * operator's folders and can be thrown away and made again. Holds passages and their full-text index.
 */
import Database from 'better-sqlite3';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { spaced } from './scripts.js';

/**
 * Raised when the tables change. What an older catalogue holds is taken over by `gyre index`, and every file read
 * again; until then it is searched as it is.
 */
const VERSION = 2;
/** Its words were those between spaces only. */
const OLDER = 1;

const TABLES = `
  DROP TABLE IF EXISTS passages; DROP TABLE IF EXISTS documents;
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY, root TEXT NOT NULL, path TEXT NOT NULL, mtime_ms REAL NOT NULL, size INTEGER
      NOT NULL, hash TEXT NOT NULL,
    UNIQUE (root, path)
  );
  CREATE TABLE passages (
    id INTEGER PRIMARY KEY, document_id INTEGER
      NOT NULL REFERENCES documents (id) ON DELETE CASCADE, heading TEXT NOT NULL, text TEXT NOT NULL
  );
  CREATE INDEX passages_document ON passages (document_id);
`;
/** The words are not those of the passages to the letter, so they are kept without them. */
const WORDS = `
  DROP TRIGGER IF EXISTS passages_added; DROP TRIGGER IF EXISTS passages_removed; DROP TABLE IF EXISTS passage_words;
  CREATE VIRTUAL TABLE passage_words USING fts5 (heading, text, content='', contentless_delete=1,
    tokenize="porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'");
  CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO passage_words (rowid, heading, text) VALUES (new.id, spaced(new.heading), spaced(new.text));
  END;
  CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
    DELETE FROM passage_words WHERE rowid = old.id;
  END;
  PRAGMA user_version = ${VERSION};
`;
const TAKE_OVER = `
  INSERT INTO passage_words (rowid, heading, text) SELECT id, spaced(heading), spaced(text) FROM passages;
  UPDATE documents SET mtime_ms = -1, hash = '';
`;

const fileIn = (dataDir: string): string => join(dataDir, 'documents.sqlite');

/** Opened for writing; made when it is missing. */
export function createCatalogue(dataDir: string): Database.Database {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const db = new Database(fileIn(dataDir), { timeout: 10_000 });
  db.pragma('journal_mode = WAL');
  db.pragma('foreign_keys = ON');
  db.function('spaced', { deterministic: true }, (text) => spaced(String(text)));
  db.transaction(() => {
    const version = db.pragma('user_version', { simple: true });
    if (version === VERSION) return;
    if (version !== OLDER) db.exec(TABLES);
    db.exec(WORDS);
    if (version === OLDER) db.exec(TAKE_OVER);
  }).immediate();
  return db;
}

export interface Catalogue {
  readonly db: Database.Database;
  /** Made before characters of unspaced scripts were words: they are not found in it. */
  isOlder(): boolean;
}

/** Opened for reading; undefined while nothing was ever indexed. */
export function openCatalogue(dataDir: string): Catalogue | undefined {
  if (!existsSync(fileIn(dataDir))) return undefined;
  const db = new Database(fileIn(dataDir), { timeout: 2_000 });
  db.pragma('query_only = ON');
  const version = (): unknown => db.pragma('user_version', { simple: true });
  if (version() === VERSION || version() === OLDER) return { db, isOlder: () => version() === OLDER };
  db.close();
  return undefined;
}
