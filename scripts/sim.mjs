// @ts-check
/** `npm run sim:NAME`: what is missing is set up, then scripts/sim/NAME runs. Flags pass through. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { handOver } from './setup/hand_over.mjs';
import { orRefuse, Refusal } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name = '', ...args] = process.argv.slice(2);
const source = join(root, 'scripts', 'sim', name, 'main.ts');

await orRefuse(async () => {
  if (!existsSync(source)) {
    const known = readdirSync(join(root, 'scripts', 'sim'));
    throw new Refusal(`there is no simulation "${name}": choose one of ${known.join(', ')}.`);
  }
  await setUp(root, { engine: false, compiled: ['build'] });
});
await handOver(join(root, 'build', 'scripts', 'sim', name, 'main.js'), args);
