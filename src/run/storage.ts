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
import { type Db, openStore } from '../store/file/db.js';
import { recoverAbandoned } from '../store/beside/recover.js';
import { openKeyring } from '../store/keys/keys.js';
import { openLog } from '../store/log/log.js';
import { openRemoteLog } from '../store/beside/log.js';
import { compiled, VERSION } from './machine.js';
import { readingOf } from './reading.js';

export interface Storage {
  readonly db: Db;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly toolServers: Tools['servers'];
  readonly keys: Keys;
  readonly reading: Reading;
  close(): Promise<void>;
}

/**
 * `logFailed` is called with the reason each time a write to the log is lost. With `serving`, requests wait as little
 * as possible: the log has a thread of its own, and tools and their servers start before their first call. `warn` gets
 * a line for the operator when such a server goes down or comes up.
 */
export function openStorage(
  config: Config,
  logFailed: (reason: unknown) => void,
  serving = false,
  warn: (text: string) => void = () => undefined,
): Storage {
  const store = openStore(config.data);
  const redactor = redactorOf(config.redact);
  const tools = toolsOf(config, serving, warn, () => store.close());
  if (serving) tools.servers.start();
  const options = { failed: logFailed };
  const remote = serving
    ? openRemoteLog({
        ...options,
        redact: config.redact,
        dataDir: config.data,
        module: compiled(new URL('../store/beside/worker.js', import.meta.url)),
      })
    : undefined;
  if (remote === undefined) recoverAbandoned(store, config.data, redactor).forEach(logFailed);
  const log = remote ?? openLog(store, { ...options, redactor });
  return {
    db: store.db,
    log,
    tools: tools.toolbox,
    toolServers: tools.servers,
    keys: openKeyring(store.db),
    reading: readingOf(store.db, redactor),
    async close() {
      if (remote === undefined) await log.flush();
      else await remote.close();
      await tools.close();
      store.close();
    },
  };
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
