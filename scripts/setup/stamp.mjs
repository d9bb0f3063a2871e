// @ts-check
/** Stamps: a hash of what a phase was made from, written last. A phase whose stamp is current is not run. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Hash of files and folders (every file below them that `wanted` names) and of plain facts.
 * @param {string} root @param {string[]} paths Relative to the root; a missing one counts as missing.
 * @param {string[]} [facts] @param {(path: string) => boolean} [wanted]
 */
export function hashOf(root, paths, facts = [], wanted = () => true) {
  const hash = createHash('sha256');
  for (const fact of facts) hash.update(`${fact}\0`);
  /** @param {string} path */
  const add = (path) => {
    if (!existsSync(path)) hash.update(`${relative(root, path)}\0missing\0`);
    else if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else if (wanted(path))
      hash
        .update(`${relative(root, path)}\0`)
        .update(readFileSync(path))
        .update('\0');
  };
  for (const path of paths) add(join(root, path));
  return hash.digest('hex');
}

/** @param {string} file @param {string} hash */
export function isCurrent(file, hash) {
  return existsSync(file) && readFileSync(file, 'utf8').trim() === hash;
}

/** @param {string} file @param {string} hash */
export function stamp(file, hash) {
  writeFileSync(file, `${hash}\n`);
}
