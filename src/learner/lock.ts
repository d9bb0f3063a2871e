/**
 * One learning cycle at a time, across processes on one data folder: a file that names its holder by pid and
 * start time, so that a crashed holder is recognised and a recycled pid is not mistaken for it.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { GyreError } from '../core/errors.js';
import { alive, processOf, readProcess } from '../core/running/process.js';

/** Takes the lock or throws 409 naming the holder. Returns the release, which is idempotent. */
export function lockLearning(dataDir: string): () => void {
  const path = join(dataDir, 'run', 'learning.lock');
  mkdirSync(join(dataDir, 'run'), { recursive: true });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(path, 'wx');
      writeSync(file, JSON.stringify(processOf(process.pid)));
      closeSync(file);
      let held = true;
      return () => {
        if (held) rmSync(path, { force: true });
        held = false;
      };
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== 'EEXIST') throw fault;
      const holder = readProcess(path);
      if (holder !== undefined && alive(holder)) {
        throw new GyreError({
          side: 'gateway',
          status: 409,
          code: 'cycle_running',
          message: `a learning cycle is running in process ${holder.pid}; wait for it, or end that process`,
        });
      }
      rmSync(path, { force: true });
    }
  }
  throw new GyreError({
    side: 'gateway',
    status: 409,
    code: 'cycle_running',
    message: 'another process took the learning lock at the same moment; try again',
  });
}
