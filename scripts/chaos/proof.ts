/** Whether a data folder has every answer that a client was given, once, with all of its steps. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { recoverAbandoned } from '../../src/store/beside/recover.js';
import { openStore } from '../../src/store/file/db.js';
import { verify } from '../../src/store/proof/verify.js';
import type { Acknowledged } from './clients.js';

/** In words; nothing where all is there. */
export async function problemsIn(folder: string, acknowledged: readonly Acknowledged[]): Promise<readonly string[]> {
  const store = openStore(folder);
  try {
    const problems = (await recoverAbandoned(store, folder)).map((reason) => `recovering: ${String(reason)}`);
    const ends = store.sqlite.prepare<[string], { n: number }>('SELECT count(*) AS n FROM responses WHERE id = ?');
    const steps = store.sqlite.prepare<[string], { n: number; ids: number }>(
      'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM steps WHERE response_id = ?',
    );
    for (const { id, steps: wanted } of acknowledged) {
      const found = steps.get(id)?.n ?? 0;
      if (ends.get(id)?.n !== 1) problems.push(`${id} was acknowledged and is not there (${found} of its steps are)`);
      else if (found !== wanted) problems.push(`${id} has ${found} steps and must have ${wanted}`);
    }
    for (const { table, id, problem } of verify(store.db).problems) problems.push(`verify: ${table} ${id}: ${problem}`);
    const intake = join(folder, 'intake');
    for (const name of readdirSync(intake))
      if (statSync(join(intake, name)).size > 0) problems.push(`${name} is left in the intake`);
    return problems;
  } finally {
    store.close();
  }
}
