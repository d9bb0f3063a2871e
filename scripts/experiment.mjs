// @ts-check
/** `npm run live`, `npm run proof`: what is missing is set up, then a gateway learns of clients. Flags pass through. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { handOver } from './setup/hand_over.mjs';
import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name = '', ...flags] = process.argv.slice(2);

await orRefuse(() => setUp(root, { engine: true, compiled: ['build'] }));
await handOver(join(root, 'build', 'scripts', name, 'main.js'), flags);
