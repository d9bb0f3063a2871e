/** What lies in the data folder, opened: the store, the log over it, the keys, the tools that keep data there. */
import type { Config } from '../core/config.js';
import type { StepLog } from '../core/log.js';
import type { Toolbox } from '../core/tool.js';
import type { Keys } from '../http/auth.js';
import type { Reading } from '../http/reading.js';
import { openStore, type Db } from '../store/db.js';
import { openKeyring } from '../store/keys.js';
import { openLog } from '../store/log.js';
import { openLogBeside } from '../store/log_beside.js';
import { redactorOf } from '../store/redact.js';
import { compiled } from './machine.js';
import { createTools } from '../../tools/index.js';
import { readingOf } from './reading.js';

export interface Storage {
  readonly db: Db;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly keys: Keys;
  readonly reading: Reading;
  close(): Promise<void>;
}

/**
 * `logFailed` hears why each time a write to the log is lost. `serving` keeps requests waiting as little as
 * possible: the log has a thread of its own, and tools start ahead of their first call.
 */
export function openStorage(config: Config, logFailed: (reason: unknown) => void, serving = false): Storage {
  const store = openStore(config.data);
  const redactor = redactorOf(config.redact);
  const options = { failed: logFailed };
  const beside = serving ? openLogBeside({ ...options, redact: config.redact, dataDir: config.data, module: compiled(new URL('../store/log_worker.js', import.meta.url)) }) : undefined;
  const log = beside ?? openLog(store, { ...options, redactor });
  const tools = createTools({ dataDir: config.data, warm: serving });
  return {
    db: store.db,
    log,
    tools,
    keys: openKeyring(store.db),
    reading: readingOf(store.db, redactor),
    async close() {
      if (beside === undefined) await log.flush();
      else await beside.close();
      for (const tool of tools.values()) await tool.close?.();
      store.close();
    },
  };
}
