/** Where this program is installed: what comes with it stands in a folder above the file that runs. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { operatorError } from '../errors.js';

/**
 * The nearest folder above that has all of `paths`, whether this runs from `src/` or from `dist/src/`. Throws an
 * operator error with `missing` where there is none.
 */
export function installedWith(paths: readonly string[], missing: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (paths.every((path) => existsSync(join(folder, path)))) return folder;
    if (folder === dirname(folder)) throw operatorError(`${missing}. Install Gyre again.`);
  }
}
