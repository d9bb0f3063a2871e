// @ts-check
/**
 * Writes `docs/fields.md`, the tables of request fields, from the compiled schemas; `npm run build` first. `--check`
 * only compares.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = join(root, 'dist', 'scripts', 'fields', 'page.js');
const page = join(root, 'docs', 'fields.md');

if (!existsSync(compiled)) {
  console.error('the schemas are not compiled: run npm run build');
  process.exitCode = 1;
} else {
  /** @type {{ fieldsPage(): string }} */
  const { fieldsPage } = await import(compiled);
  const next = fieldsPage();
  if (!process.argv.includes('--check')) writeFileSync(page, next);
  else if (!existsSync(page) || readFileSync(page, 'utf8') !== next) {
    console.error('docs/fields.md is not what the schemas say: run npm run build && node scripts/fields.mjs');
    process.exitCode = 1;
  }
}
