import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { collectionsIn, openCollection } from '../../../tools/documents/collections.js';
import { indexDocuments } from '../../../tools/documents/indexing.js';
import { createSearchCollections, createSearchDocuments } from '../../../tools/search_documents.js';
import type { Tool } from '../../../src/core/tool.js';

let folder: string;
const open: Tool[] = [];
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gyre-collections-'))));
afterEach(async () => {
  for (const tool of open.splice(0)) await tool.close?.();
  rmSync(folder, { recursive: true, force: true });
});

function index(name: string, about: string | undefined, text: string): void {
  const documents = join(folder, name);
  mkdirSync(documents, { recursive: true });
  writeFileSync(join(documents, 'one.md'), text);
  indexDocuments(openCollection(folder, name, about).folder, documents);
}

test('each collection has a tool of its own, which finds nothing of the others', async () => {
  index('people', 'people and companies', '# Mira\n\nMira works in Bergen.');
  index('places', undefined, '# Bergen\n\nBergen lies on the sea.');
  open.push(...createSearchCollections({ dataDir: folder }), createSearchDocuments({ dataDir: folder }));
  expect(open.map(({ spec }) => spec.name)).toEqual(['search_people', 'search_places', 'search_documents']);
  expect(open[0]?.spec.description).toContain('people and companies');
  const [people, places, all] = await Promise.all(open.map((tool) => tool.run({ query: 'Mira' }, AbortSignal.any([]))));
  expect(people).toBe('[1] people/one.md: Mira\nMira works in Bergen.');
  expect(places).toBe('No passage fits "Mira".');
  expect(all).toContain('No documents are indexed yet');
});

test('what a collection is about stays where it is indexed again without saying so', () => {
  index('people', 'who is who', '# A\n\nB');
  index('people', undefined, '# A\n\nC');
  expect(collectionsIn(folder).map(({ name, about }) => [name, about])).toEqual([['people', 'who is who']]);
});

test.each(['documents', 'web', 'Big', '../up', '', '1st', 'a b'])('"%s" cannot be the name of a collection', (name) => {
  expect(() => openCollection(folder, name, undefined)).toThrow('cannot be the name of a collection');
  expect(collectionsIn(folder)).toEqual([]);
});
