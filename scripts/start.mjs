// @ts-check
/** `npm start`: what is missing is set up, then this process becomes the gateway (`gyre serve`). Flags pass through. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { handOver } from './setup/hand_over.mjs';
import { engineElsewhere, listenAddress } from './setup/preflight.mjs';
import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
// `npm start` sets it for this process: large buffers go back to the system when they are free. What this starts, e.g.
// the trainer, is slower with it.
delete process.env['MALLOC_MMAP_THRESHOLD_'];

await orRefuse(() =>
  setUp(root, { engine: !engineElsewhere(args, process.cwd()), listen: listenAddress(args, process.cwd()) }),
);
await handOver(join(root, 'dist', 'src', 'main.js'), ['serve', ...args]);
