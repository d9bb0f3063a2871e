// @ts-check
/** `npm run bench:NAME`: what is missing is set up, then scripts/bench/NAME runs. Flags pass through. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { handOver } from './setup/hand_over.mjs';
import { orRefuse, Refusal } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name = '', ...args] = process.argv.slice(2);
const source = join(root, 'scripts', 'bench', `${name}.ts`);

await orRefuse(async () => {
  if (!existsSync(source)) {
    const known = readdirSync(dirname(source))
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -3));
    throw new Refusal(`there is no benchmark "${name}": choose one of ${known.join(', ')}.`);
  }
  await setUp(root, { engine: false, compiled: ['build'] });
});
await handOver(join(root, 'build', 'scripts', 'bench', `${name}.js`), args);
