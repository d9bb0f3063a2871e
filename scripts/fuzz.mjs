// @ts-check
/** `npm run fuzz`: what is missing is set up, then schemathesis asks a gateway everything. Flags pass through to it. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { handOver } from './setup/hand_over.mjs';
import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

await orRefuse(() => setUp(root, { engine: false, compiled: ['build'] }));
await handOver(join(root, 'build', 'scripts', 'fuzz', 'main.js'), process.argv.slice(2));
