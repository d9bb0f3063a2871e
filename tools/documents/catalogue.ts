/**
 * The catalogue of indexed documents: DATA/documents.sqlite, a file of its own because it is made from the
 * operator's folders and can be thrown away and made again. Holds passages and their full-text index.
 */
import Database from 'better-sqlite3';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Raised when the tables change: an older catalogue is emptied, and `gyre index` fills it again. */
const VERSION = 1;

const TABLES = `
  DROP TABLE IF EXISTS passage_words; DROP TABLE IF EXISTS passages; DROP TABLE IF EXISTS documents;
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
  CREATE VIRTUAL TABLE passage_words USING fts5 (heading, text, content='passages', content_rowid='id',
    tokenize='porter unicode61 remove_diacritics 2');
  CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO passage_words (rowid, heading, text) VALUES (new.id, new.heading, new.text);
  END;
  CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
    INSERT INTO passage_words (passage_words, rowid, heading, text) VALUES ('delete', old.id, old.heading, old.text);
  END;
  PRAGMA user_version = ${VERSION};
`;

const fileIn = (dataDir: string): string => join(dataDir, 'documents.sqlite');

/** Opened for writing; made when it is missing. */
export function createCatalogue(dataDir: string): Database.Database {
  mkdirSync(dataDir, { recursive: true });
  const db = new Database(fileIn(dataDir), { timeout: 10_000 });
  db.pragma('journal_mode = WAL');
  db.pragma('foreign_keys = ON');
  db.transaction(() => {
    if (db.pragma('user_version', { simple: true }) !== VERSION) db.exec(TABLES);
  }).immediate();
  return db;
}

/** Opened for reading; undefined while nothing was ever indexed. */
export function openCatalogue(dataDir: string): Database.Database | undefined {
  if (!existsSync(fileIn(dataDir))) return undefined;
  const db = new Database(fileIn(dataDir), { timeout: 2_000 });
  db.pragma('query_only = ON');
  if (db.pragma('user_version', { simple: true }) === VERSION) return db;
  db.close();
  return undefined;
}
