/** A folder of a test's own, in which set-up finds what the test put there. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach } from 'vitest';

export let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

export function write(path: string, text: string, mode = 0o644): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}
