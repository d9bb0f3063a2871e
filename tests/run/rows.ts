/** What a gateway asks of rows, asked of a store that the test has open: no thread stands between. */
import { parseConfig } from '../../src/core/config.js';
import type { Keys } from '../../src/core/key.js';
import type { Redactor } from '../../src/core/text/redact.js';
import { Keyring, type KeyringClocks } from '../../src/http/callers/keyring.js';
import { askHere, keyRowsOf } from '../../src/run/reading/asked.js';
import type { Ask } from '../../src/run/reading/calls.js';
import type { Db } from '../../src/store/file/db.js';

export function askOver(db: Db, config = parseConfig({}), redactor?: Redactor): Ask {
  return askHere({ db, config, redactor });
}

export function keyringOver(db: Db, clocks?: KeyringClocks): Keyring {
  return new Keyring(keyRowsOf(askOver(db)), clocks);
}

/** The same, with the keys there are now. */
export async function knownKeyring(db: Db, clocks?: KeyringClocks): Promise<Keyring> {
  const keys = keyringOver(db, clocks);
  await keys.renewed();
  return keys;
}

/** Keys that nothing changes. */
export function fixedKeys(find: Keys['find']): Keys {
  return {
    required: () => true,
    find,
    fresh: () => undefined,
    renewed: () => Promise.resolve(),
    spent: () => Promise.resolve(0),
  };
}
