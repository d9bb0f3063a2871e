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
import { type Db, inServing, openStore } from '../store/file/db.js';
import { recoverAbandoned } from '../store/beside/recover.js';
import { openKeyring } from '../store/keys/keys.js';
import { openLog } from '../store/log/log.js';
import { tidyHeads } from '../store/beside/heads.js';
import { openRemoteLog } from '../store/beside/log.js';
import { holdsHead } from '../store/proof/heads.js';
import { compiled, VERSION } from './machine.js';
import { readingOf } from './reading.js';

export interface Storage {
  readonly db: Db;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly toolServers: Tools['servers'];
  readonly keys: Keys;
  readonly reading: Reading;
  /** Resolves when every file is open that answers need; from then on nothing here waits long for a lock. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** So long a request that writes (feedback, a deletion) may hold up all others for another process's transaction. */
const BUSY = { busyMs: 250 };

/**
 * `logFailed` is called with the reason each time a write to the log is lost. With `serving`, requests wait as little
 * as possible: the log has a thread of its own, and tools and their servers start before their first call. `warn` gets
 * a line for the operator when such a server goes down or comes up.
 */
export async function openStorage(
  config: Config,
  logFailed: (reason: unknown) => void,
  serving = false,
  warn: (text: string) => void = () => undefined,
): Promise<Storage> {
  const store = openStore(config.data, warn);
  const redactor = redactorOf(config.redact);
  const tools = toolsOf(config, serving, warn, () => store.close());
  if (serving) tools.servers.start();
  const options = { failed: logFailed };
  const remote = serving
    ? openRemoteLog({
        ...options,
        warn,
        redact: config.redact,
        dataDir: config.data,
        module: compiled(new URL('../store/beside/worker.js', import.meta.url)),
      })
    : undefined;
  if (remote === undefined) (await recoverAbandoned(store, config.data, { redactor })).forEach(logFailed);
  else for (const file of lostEnds(store.db, config.data)) warn(lostEnd(file));
  const log = remote ?? openLog(store, { ...options, redactor });
  return {
    db: store.db,
    log,
    tools: tools.toolbox,
    toolServers: tools.servers,
    keys: openKeyring(store.db),
    reading: readingOf(store.db, redactor),
    ready: remote === undefined ? Promise.resolve() : remote.ready.then(() => inServing(store.sqlite, BUSY)),
    async close() {
      if (remote === undefined) await log.flush();
      else await remote.close();
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
