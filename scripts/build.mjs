// @ts-check
/** `npm run build`, and before `npm pack`: packages, where they are missing, and `dist` from the source as it is. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

await orRefuse(() => setUp(dirname(dirname(fileURLToPath(import.meta.url))), { engine: false }));
