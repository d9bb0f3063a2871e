/** A thread that searches the catalogue: a search may take long, or wait for whoever indexes. */
import type { Database } from 'better-sqlite3';
import { parentPort, workerData } from 'node:worker_threads';

import { reasonOf } from '../../src/core/errors.js';
import { type Catalogue, openCatalogue } from './catalogue.js';
import type { FromSearch, Hit, SearchData, ToSearch } from './searcher.js';

const RESULTS = 5;

const { dataDir } = workerData as SearchData;
const port = parentPort;
if (port === null) throw new Error('this module is a worker of a tool and is not started by itself');
const post = (message: FromSearch): void => port.postMessage(message);

let catalogue: Catalogue | undefined;

port.on('message', ({ match }: ToSearch) => {
  try {
    // It may appear while the tool is in use.
    catalogue ??= openCatalogue(dataDir);
    const { db } = catalogue ?? {};
    if (catalogue === undefined || db?.prepare('SELECT 1 FROM passages LIMIT 1').get() === undefined)
      return post({ type: 'empty' });
    post({ type: 'found', hits: search(db, match), older: catalogue.isOlder() });
  } catch (thrown) {
    post({ type: 'failed', reason: reasonOf(thrown) });
  }
});

/** A heading counts twice as much as the text below it. */
function search(db: Database, match: string): Hit[] {
  return db
    .prepare(
      `
    SELECT root, path, passages.heading AS heading, passages.text AS text FROM passage_words
    JOIN passages ON passages.id = passage_words.rowid JOIN documents ON documents.id = passages.document_id
    WHERE passage_words MATCH ? ORDER BY bm25(passage_words, 2.0, 1.0), passages.id LIMIT ${RESULTS}
  `,
    )
    .all(match) as Hit[];
}
