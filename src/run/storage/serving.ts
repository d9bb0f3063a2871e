/**
 * What lies in the data folder, opened for a gateway: the log, the threads that read, the keys. Nothing else is
 * imported here: those threads start while the rest of the gateway is still being loaded.
 */
import type { Config } from '../../core/config.js';
import type { StepLog } from '../../core/log.js';
import type { Reading } from '../../core/reading.js';
import type { Keys } from '../../core/key.js';
import { compiled } from '../../core/running/compiled.js';
import { Keyring } from '../../http/callers/keyring.js';
import { type Db, openStore } from '../../store/file/db.js';
import { tidyHeads } from '../../store/intake/heads.js';
import { openRemoteLog } from '../../store/beside/log.js';
import { holdsHead } from '../../store/proof/heads.js';
import { keyRowsOf, readingOf } from '../reading/asked.js';
import type { Ask } from '../reading/calls.js';
import { openReaders } from '../reading/readers.js';

/** A gateway's own thread does no work of SQLite once it answers. */
export interface ServingStorage {
  readonly log: StepLog;
  readonly keys: Keys;
  readonly reading: Reading;
  readonly ask: Ask;
  /** Work on rows before anybody is answered. */
  atStart<T>(work: (db: Db) => T): T;
  /** Resolves when every file is open that answers need, and nothing here waits for a lock any more. */
  ready(): Promise<void>;
  /** Starts the threads that a client would otherwise wait for. */
  warm(): void;
  close(): Promise<void>;
}

/**
 * `logFailed` is called with the reason each time a write to the log is lost; `warn` gets a line for the operator.
 */
export function openServingStorage(
  config: Config,
  logFailed: (reason: unknown) => void,
  warn: (text: string) => void,
): ServingStorage {
  const store = openStore(config.data);
  const log = openRemoteLog({
    failed: logFailed,
    warn,
    redact: config.redact,
    dataDir: config.data,
    module: compiled(new URL('../../store/beside/worker.js', import.meta.url)),
  });
  const readers = openReaders(config, compiled(new URL('../reading/worker.js', import.meta.url)), warn);
  const keys = new Keyring(keyRowsOf(readers.ask));
  const known = keys.renewed();
  known.catch(() => undefined); // whoever waits until all is ready is told
  for (const file of lostEnds(store.db, config.data)) warn(lostEnd(file));
  return {
    log,
    keys,
    reading: readingOf(readers.ask),
    ask: readers.ask,
    atStart: (work) => work(store.db),
    async ready() {
      await Promise.all([log.ready, known]);
      store.close();
    },
    warm: () => readers.warm(),
    async close() {
      await readers.close();
      await log.close();
      store.close();
    },
  };
}

/** Heads of gateways that are gone, and that the ledger contradicts. */
function lostEnds(db: Db, dataDir: string): readonly string[] {
  return tidyHeads(dataDir, (head) => holdsHead(db, head));
}

function lostEnd(file: string): string {
  return (
    `the database has lost its end: "${file}" in the folder "heads" knows of answers that are not in it. ` +
    '"gyre verify" says how many; delete the file if an older database was put there on purpose'
  );
}
