/** Work on the rows of a data folder, and nothing else running: what most verbs need. */
import type { Config } from '../core/config.js';
import { redactorOf } from '../core/text/redact.js';
import { recoverAbandoned } from '../store/beside/recover.js';
import { type Db, openStore } from '../store/file/db.js';

/** Opens the rows for one verb, with all that a killed gateway has left in its intake. */
export async function withRows<T>(config: Config, work: (db: Db) => Promise<T> | T): Promise<T> {
  const store = openStore(config.data);
  try {
    recoverAbandoned(store, config.data, redactorOf(config.redact)); // verify names what cannot be committed
    return await work(store.db);
  } finally {
    store.close();
  }
}
