/** `gyre serve` before an engine that does what every request asks of it, as far as a script can. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startEngine } from '../../tests/fakes/engine.js';
import { startGateway } from '../demo/gateway.js';
import { obliging } from './obliging.js';

export interface Scripted {
  readonly url: string;
  close(): Promise<void>;
}

export async function startScripted({ reasons = false } = {}): Promise<Scripted> {
  const data = mkdtempSync(join(tmpdir(), 'gyre-conformance-data-'));
  const engine = await startEngine({ script: obliging(reasons) });
  const gateway = await startGateway(['--engine', engine.url, '--port', '0', '--data', data], () => undefined);
  return {
    url: gateway.url,
    async close() {
      await gateway.stop();
      await engine.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
