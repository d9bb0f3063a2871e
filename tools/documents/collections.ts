/**
 * Collections with a name of their own: DATA/collections/NAME holds a catalogue and what it is about. Each is searched
 * by a tool of its own, `search_NAME`, so that a policy has to choose where to look.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { operatorError } from '../../src/core/errors.js';

export interface Collection {
  readonly name: string;
  /** Where its catalogue lies. */
  readonly folder: string;
  /** What is in it, for the policy. */
  readonly about: string;
}

const NAME = /^[a-z][a-z0-9_]{0,31}$/;
/** `search_NAME` is another tool. */
const TAKEN: readonly string[] = ['documents', 'web'];

const folderOf = (dataDir: string): string => join(dataDir, 'collections');

/** Notes that there is such a collection, and what it is about where that is said. */
export function openCollection(dataDir: string, name: string, about: string | undefined): Collection {
  if (!NAME.test(name) || TAKEN.includes(name))
    throw operatorError(
      `"${name}" cannot be the name of a collection: small letters, digits and _, 32 at most, a letter first, ` +
        `and not ${TAKEN.join(' or ')}`,
    );
  const folder = join(folderOf(dataDir), name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (about !== undefined) writeFileSync(join(folder, 'about.txt'), about.trim());
  return { name, folder, about: aboutOf(folder, name) };
}

export function collectionsIn(dataDir: string): readonly Collection[] {
  if (!existsSync(folderOf(dataDir))) return [];
  return readdirSync(folderOf(dataDir))
    .filter((name) => NAME.test(name) && !TAKEN.includes(name))
    .sort()
    .map((name) => {
      const folder = join(folderOf(dataDir), name);
      return { name, folder, about: aboutOf(folder, name) };
    });
}

function aboutOf(folder: string, name: string): string {
  const file = join(folder, 'about.txt');
  const said = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return said === '' ? name.replaceAll('_', ' ') : said;
}
