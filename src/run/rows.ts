/** A data folder's database without anything else: what verbs need that only read and write rows. */
import type { Config } from '../core/config.js';
import { redactorOf } from '../core/text/redact.js';
import { recoverAbandoned } from '../store/beside/recover.js';
import { type Db, openStore, type Store } from '../store/file/db.js';

/** Opens the database for one verb. What a killed gateway left in its intake is committed first. */
export async function withRows<T>(config: Config, work: (db: Db, store: Store) => Promise<T> | T): Promise<T> {
  const store = openStore(config.data);
  try {
    // Lines that cannot be committed are quarantined, and `gyre verify` names them.
    await recoverAbandoned(store, config.data, { redactor: redactorOf(config.redact) });
    return await work(store.db, store);
  } finally {
    store.close();
  }
}
