/**
 * Search over the documents the operator indexed (`gyre index DIR`): words in, the five best passages out, ranked by
 * BM25. It only reads, and finds nothing that the operator did not index. What was indexed under a name has a tool of
 * its own.
 */
import { basename, join } from 'node:path';
import { z } from 'zod';

import { badRequest, quoted } from '../src/core/errors.js';
import type { Tool } from '../src/core/tool.js';
import { collectionsIn } from './documents/collections.js';
import { wordsOf } from './documents/scripts.js';
import { type Hit, openSearcher } from './documents/searcher.js';

/** What is searched for of a query: a whole page pasted as a query would take long. */
const MAX_CHARACTERS = 4_000;
const MAX_WORDS = 32;
const MAX_PHRASES = 96;

const Arguments = z.strictObject({ query: z.string() });

/** `dataDir` holds the catalogue, which may appear while the tool is in use. */
export function createSearchDocuments({ dataDir }: { readonly dataDir: string }): Tool {
  return searchTool('search_documents', 'the indexed documents', dataDir, 'gyre index DIR');
}

/** A tool for each named collection there is. */
export function createSearchCollections({ dataDir }: { readonly dataDir: string }): readonly Tool[] {
  return collectionsIn(dataDir).map(({ name, folder, about }) =>
    searchTool(`search_${name}`, `the collection "${name}" (${about})`, folder, `gyre index DIR --as ${name}`),
  );
}

/** `command` is what the operator can index with. */
function searchTool(name: string, what: string, dataDir: string, command: string): Tool {
  const searcher = openSearcher(dataDir);
  return {
    spec: {
      name,
      description: `Searches ${what} and returns the passages that fit the query best.`,
      parameters: {
        type: 'object',
        properties: { query: { type: 'string', description: 'A few words to look for.' } },
        required: ['query'],
        additionalProperties: false,
      },
    },
    pure: true,
    async run(args, signal) {
      const parsed = Arguments.safeParse(args);
      if (!parsed.success) throw badRequest(`${name} takes {"query": "a few words"}, not ${quoted(args)}`, 'query');
      const query = parsed.data.query.trim();
      const match = matching(query);
      if (match === undefined) throw badRequest(`the query "${query.slice(0, 80)}" holds no word to look for`, 'query');
      const found = await searcher.search(match, signal);
      if (found.type === 'empty')
        return `No documents are indexed yet. The operator can index a folder with: ${command}`;
      const { hits, older } = found;
      const remark = older
        ? ` The index was made by an earlier version; the operator can make it anew with: ${command}`
        : '';
      if (hits.length === 0) return `No passage fits "${query.slice(0, 200)}".${remark}`;
      return hits.map((hit, at) => `[${at + 1}] ${sourceOf(hit)}\n${hit.text}`).join('\n\n');
    },
    close: () => searcher.close(),
  };
}

/**
 * The query as FTS5 reads it: every word quoted, so that none of it is syntax, joined with OR; the whole phrase once
 * more, so that passages with the words in a row rank first. A run of an unspaced script is looked for whole, and by
 * every two of its characters: its words cannot be told apart. Undefined when there is no word.
 */
export function matching(query: string): string | undefined {
  const words = wordsOf(query.slice(0, MAX_CHARACTERS)).slice(0, MAX_WORDS);
  const [only] = words;
  if (only === undefined) return undefined;
  const phrases = words.flatMap(({ spaced, characters = [] }) => [
    spaced,
    ...(characters.length > 2 ? characters.slice(1).map((next, at) => `${characters[at] ?? ''} ${next}`) : []),
  ]);
  if (words.length > 1) phrases.unshift(words.map(({ spaced }) => spaced).join(' '));
  return [...new Set(phrases)]
    .slice(0, MAX_PHRASES)
    .map((phrase) => `"${phrase}"`)
    .join(' OR ');
}

/** The path from the indexed folder's name on: two folders stay apart, and no path above them is given away. */
function sourceOf({ root, path, heading }: Hit): string {
  return `${join(basename(root), path)}${heading === '' ? '' : `: ${heading}`}`;
}
