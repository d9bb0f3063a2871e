// @ts-check
/** `npm run conformance -- --suite DIR`: what is missing is set up, then somebody else's suite asks a gateway. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { handOver } from './setup/hand_over.mjs';
import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

await orRefuse(() => setUp(root, { engine: false, compiled: ['dist', 'build'] }));
await handOver(join(root, 'build', 'scripts', 'conformance', 'main.js'), process.argv.slice(2));
