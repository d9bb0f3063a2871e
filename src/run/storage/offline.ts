/** What lies in the data folder, opened for a process that answers nobody: the store, the log over it, the tools. */
import type { Tools } from '../../../tools/index.js';
import type { Config } from '../../core/config.js';
import type { StepLog } from '../../core/log.js';
import { redactorOf } from '../../core/text/redact.js';
import type { Toolbox } from '../../core/tool.js';
import { recoverAbandoned } from '../../store/beside/recover.js';
import { type Db, openStore } from '../../store/file/db.js';
import { openLog } from '../../store/log/log.js';
import { openToolset } from './toolset.js';

export interface Storage {
  readonly db: Db;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly toolServers: Tools['servers'];
  close(): Promise<void>;
}

/**
 * `logFailed` is called with the reason each time a write to the log is lost; `warn` gets a line for the operator when
 * a server of tools goes down or comes up.
 */
export async function openStorage(
  config: Config,
  version: string,
  logFailed: (reason: unknown) => void,
  warn: (text: string) => void,
): Promise<Storage> {
  const store = openStore(config.data, warn);
  const redactor = redactorOf(config.redact);
  let tools: Tools;
  try {
    tools = openToolset(config, version, warn);
  } catch (thrown) {
    // An open store would keep the process alive although it cannot start.
    store.close();
    throw thrown;
  }
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
