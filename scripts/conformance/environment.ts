/** The Python environment of the suites that are written in it. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { inEnvironment } from '../python/environment.js';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
/** Where the parts of suites that are written in Python lie. */
export const SHIMS = join(ROOT, 'tests', 'clients', 'conformance');
const PINS = join(SHIMS, 'requirements.lock');
const ENVIRONMENT = join(ROOT, '.gyre', 'conformance');

export function python(): string {
  return inEnvironment(ENVIRONMENT, PINS, 'python');
}
