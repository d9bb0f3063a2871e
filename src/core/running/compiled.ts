/** Modules that run by themselves, as threads and processes. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The file of a module that is to run by itself: compiled, also where this runs from sources. */
export function compiled(module: URL): string {
  const path = fileURLToPath(module);
  if (existsSync(path)) return path;
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  return join(root, 'dist', relative(root, path));
}
