/** The secret of a data folder. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { secretOf } from '../../src/run/secret.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gyre-secret-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the secret of a data folder', () => {
  it('is made once, for its owner only, and leaves nothing else behind', () => {
    const secret = secretOf(join(folder, 'data'));
    expect(secret).toHaveLength(32);
    expect(secretOf(join(folder, 'data'))).toEqual(secret);
    expect(readdirSync(join(folder, 'data'))).toEqual(['secret']);
    expect(statSync(join(folder, 'data', 'secret')).mode & 0o077).toBe(0);
  });

  it('is another in each folder', () => {
    expect(secretOf(join(folder, 'a'))).not.toEqual(secretOf(join(folder, 'b')));
  });

  it('is a new one each time where what lies there is none', () => {
    writeFileSync(join(folder, 'secret'), 'short');
    expect(secretOf(folder)).toHaveLength(32);
    expect(secretOf(folder)).not.toEqual(secretOf(folder));
  });
});
