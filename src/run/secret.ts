/** A data folder's own secret: what is signed with it is known again by every gateway of the folder, and no other. */
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BYTES = 32;

/** Made at the first call. Two gateways of one folder that start at once agree on one. */
export function secretOf(dataDir: string): Uint8Array {
  const file = join(dataDir, 'secret');
  const known = read(file);
  if (known !== undefined) return known;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomBytes(BYTES), { mode: 0o600 });
  try {
    linkSync(draft, file); // whole or not there
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  } finally {
    rmSync(draft, { force: true });
  }
  return read(file) ?? randomBytes(BYTES);
}

function read(file: string): Uint8Array | undefined {
  try {
    const secret = readFileSync(file);
    return secret.length === BYTES ? secret : undefined;
  } catch {
    return undefined; // not there, or not to be read: then there is a new one
  }
}
