/**
 * Search over the documents the operator indexed (`gyre index DIR`): words in, the five best passages out, ranked by
 * BM25. It only reads, and finds nothing that the operator did not index.
 */
import type { Database } from 'better-sqlite3';
import { basename, join } from 'node:path';
import { z } from 'zod';

import { badRequest, quoted } from '../src/core/errors.js';
import type { Tool } from '../src/core/tool.js';
import { openCatalogue } from './documents/catalogue.js';

export { indexDocuments, type IndexProgress } from './documents/indexing.js';

const RESULTS = 5;
/** Words of a query that are searched for: a whole page pasted as a query would take long. */
const MAX_WORDS = 32;

const Arguments = z.strictObject({ query: z.string() });

interface Hit {
  readonly root: string;
  readonly path: string;
  readonly heading: string;
  readonly text: string;
}

/** `dataDir` holds the catalogue, which may appear while the tool is in use. */
export function createSearchDocuments({ dataDir }: { readonly dataDir: string }): Tool {
  let catalogue: Database | undefined;
  return {
    spec: {
      name: 'search_documents',
      description: 'Searches the indexed documents and returns the passages that fit the query best.',
      parameters: {
        type: 'object',
        properties: { query: { type: 'string', description: 'A few words to look for.' } },
        required: ['query'],
        additionalProperties: false,
      },
    },
    pure: true,
    run: (args) =>
      Promise.resolve().then(() => {
        const parsed = Arguments.safeParse(args);
        if (!parsed.success)
          throw badRequest(`search_documents takes {"query": "a few words"}, not ${quoted(args)}`, 'query');
        const query = parsed.data.query.trim();
        const match = matching(query);
        if (match === undefined)
          throw badRequest(`the query "${query.slice(0, 80)}" holds no word to look for`, 'query');
        catalogue ??= openCatalogue(dataDir);
        if (catalogue === undefined || catalogue.prepare('SELECT 1 FROM passages LIMIT 1').get() === undefined) {
          return 'No documents are indexed yet. The operator can index a folder with: gyre index DIR';
        }
        const hits = search(catalogue, match);
        if (hits.length === 0) return `No passage fits "${query.slice(0, 200)}".`;
        return hits.map((hit, at) => `[${at + 1}] ${sourceOf(hit)}\n${hit.text}`).join('\n\n');
      }),
    close: () => {
      catalogue?.close();
      catalogue = undefined;
    },
  };
}

/**
 * The query as FTS5 reads it: every word quoted, so that none of it is syntax, joined with OR; the whole phrase once
 * more, so that passages with the words in a row rank first. Undefined when there is no word.
 */
export function matching(query: string): string | undefined {
  const words = (query.match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).slice(0, MAX_WORDS);
  if (words.length === 0) return undefined;
  const terms = [...new Set(words.map((word) => `"${word.toLowerCase()}"`))];
  return words.length === 1 ? terms[0] : [`"${words.join(' ').toLowerCase()}"`, ...terms].join(' OR ');
}

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

/** The path from the indexed folder's name on: two folders stay apart, and no path above them is given away. */
function sourceOf({ root, path, heading }: Hit): string {
  return `${join(basename(root), path)}${heading === '' ? '' : `: ${heading}`}`;
}
