// @ts-check
/**
 * Writes `docs/fields.md`, the tables of request fields, from the schemas that requests are checked with; what is
 * missing is set up. `--check` only compares.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs', 'fields.md');

await orRefuse(() => setUp(root, { engine: false, compiled: ['build'] }));
/** @type {{ fieldsPage(): string }} */
const { fieldsPage } = await import(join(root, 'build', 'scripts', 'fields', 'page.js'));
const next = fieldsPage();
if (!process.argv.includes('--check')) writeFileSync(page, next);
else if (!existsSync(page) || readFileSync(page, 'utf8') !== next) {
  console.error('docs/fields.md is not what the schemas say: run node scripts/fields.mjs');
  process.exitCode = 1;
}
