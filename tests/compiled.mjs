// @ts-check
/** Before any test: what tests start as a process or a worker is compiled from the source as it is now. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from '../scripts/setup/build.mjs';
import { childProcesses } from '../scripts/setup/processes.mjs';
import { takeLock } from '../scripts/setup/lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export default async function setup() {
  if (build(root).current) return;
  const release = await takeLock(join(root, '.gyre', 'setup', 'lock'), () => undefined);
  try {
    const phase = build(root);
    const children = childProcesses(join(root, '.gyre', 'setup', 'children'));
    if (!phase.current) await phase.make({ root, children }, { at: () => undefined, done: () => undefined });
  } finally {
    release();
  }
}
