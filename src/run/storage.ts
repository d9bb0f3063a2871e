/** What lies in the data folder, opened: the store, the log over it, the keys, the tools that keep data there. */
import { createTools, type Tools } from '../../tools/index.js';
import type { Config } from '../core/config.js';
import type { StepLog } from '../core/log.js';
import type { Reading } from '../core/reading.js';
import { redactorOf } from '../core/text/redact.js';
import type { Toolbox } from '../core/tool.js';
import type { Keys } from '../core/key.js';
import { proxiesOf } from '../core/proxy.js';
import { limitsOf } from '../loop/budget.js';
import { Keyring } from '../http/callers/keyring.js';
import { type Db, openStore } from '../store/file/db.js';
import { recoverAbandoned } from '../store/beside/recover.js';
import { openLog } from '../store/log/log.js';
import { tidyHeads } from '../store/beside/heads.js';
import { openRemoteLog } from '../store/beside/log.js';
import { holdsHead } from '../store/proof/heads.js';
import { compiled, VERSION } from './machine.js';
import { keyRowsOf, readingOf } from './reading/asked.js';
import type { Ask } from './reading/calls.js';
import { openReaders } from './reading/readers.js';

interface Logging {
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly toolServers: Tools['servers'];
  close(): Promise<void>;
}

/** For a process that answers nobody. */
export interface Storage extends Logging {
  readonly db: Db;
}

/** For a gateway: its own thread does no work of SQLite once it answers. */
export interface ServingStorage extends Logging {
  readonly keys: Keys;
  readonly reading: Reading;
  readonly ask: Ask;
  /** Work on rows before anybody is answered. */
  atStart<T>(work: (db: Db) => T): T;
  /** Resolves when every file is open that answers need, and nothing here waits for a lock any more. */
  ready(): Promise<void>;
}

/**
 * `logFailed` is called with the reason each time a write to the log is lost; `warn` gets a line for the operator when
 * a server of tools goes down or comes up.
 */
export async function openStorage(
  config: Config,
  logFailed: (reason: unknown) => void,
  warn: (text: string) => void,
): Promise<Storage> {
  const store = openStore(config.data, warn);
  const redactor = redactorOf(config.redact);
  const tools = toolsOf(config, false, warn, () => store.close());
  (await recoverAbandoned(store, config.data, { redactor })).forEach(logFailed);
  const log = openLog(store, { failed: logFailed, redactor });
  return {
    db: store.db,
    log,
    tools: tools.toolbox,
    toolServers: tools.servers,
    async close() {
      await log.flush();
      await tools.close();
      store.close();
    },
  };
}

/**
 * The same where requests are answered, and wait as little as possible: the log has a thread of its own, rows are read
 * in others, and tools and their servers start before their first call.
 */
export function openServingStorage(
  config: Config,
  logFailed: (reason: unknown) => void,
  warn: (text: string) => void,
): ServingStorage {
  const store = openStore(config.data);
  const tools = toolsOf(config, true, warn, () => store.close());
  tools.servers.start();
  const log = openRemoteLog({
    failed: logFailed,
    warn,
    redact: config.redact,
    dataDir: config.data,
    module: compiled(new URL('../store/beside/worker.js', import.meta.url)),
  });
  const readers = openReaders(config, compiled(new URL('reading/worker.js', import.meta.url)), warn);
  const keys = new Keyring(keyRowsOf(readers.ask));
  const known = keys.renewed();
  known.catch(() => undefined); // whoever waits until all is ready is told
  for (const file of lostEnds(store.db, config.data)) warn(lostEnd(file));
  return {
    log,
    tools: tools.toolbox,
    toolServers: tools.servers,
    keys,
    reading: readingOf(readers.ask),
    ask: readers.ask,
    atStart: (work) => work(store.db),
    async ready() {
      await Promise.all([log.ready, known]);
      readers.warm();
      store.close();
    },
    async close() {
      await readers.close();
      await log.close();
      await tools.close();
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

function toolsOf(config: Config, warm: boolean, warn: (text: string) => void, close: () => void): Tools {
  try {
    return createTools(
      {
        dataDir: config.data,
        warm,
        web: config.web,
        limits: limitsOf(config).tool,
        proxyFor: proxiesOf(process.env),
      },
      { servers: config.mcp, defaults: config['tools.default'], version: VERSION, warn },
    );
  } catch (thrown) {
    // An open store would keep the process alive although it cannot start.
    close();
    throw thrown;
  }
}
