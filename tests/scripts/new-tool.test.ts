/** A new tool works as it is made: it compiles, passes lint and its own tests, and is in the toolbox. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { ROOT } from '../guards/tree.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-new-tool-'));
  for (const path of ['tools', 'src/core', 'src/network', 'tsconfig.json', 'eslint.config.js', 'package.json'])
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  // Without the repository's global set-up, which compiles folders that are not here.
  writeFileSync(
    join(folder, 'vitest.config.ts'),
    "import { defineConfig } from 'vitest/config';\nexport default defineConfig({ test: { pool: 'forks' } });\n",
  );
  mkdirSync(join(folder, 'tests', 'tools'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = (...args: string[]): { readonly status: number | null; readonly stderr: string } =>
  spawnSync(process.execPath, [join(ROOT, 'scripts', 'new-tool.mjs'), ...args, '--root', folder], { encoding: 'utf8' });
const run = (tool: string, ...args: string[]): string =>
  execFileSync(process.execPath, [join(ROOT, 'node_modules', tool), ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: 'pipe',
  });
const read = (path: string): string => readFileSync(join(folder, path), 'utf8');

it('compiles, passes lint and tests as it is, and is in the toolbox', () => {
  expect(make('word_count2')).toMatchObject({ status: 0, stderr: '' });
  expect(make('x')).toMatchObject({ status: 0 });
  writeFileSync(
    join(folder, 'tests', 'tools', 'all.test.ts'),
    `import { expect, it } from 'vitest';
import { createTools } from '../../tools/index.js';
it('has both', async () => {
  const limits = { timeoutMs: 1, maxBytes: 1 };
  const tools = createTools(
    { dataDir: 'none', web: { fetch: false }, limits },
    { servers: [], defaults: ['word_count2'], version: '0', warn: () => undefined },
  );
  expect([...tools.toolbox.keys()]).toEqual(expect.arrayContaining(['calculator', 'word_count2', 'x']));
  await tools.close();
});
`,
  );
  run('typescript/bin/tsc', '--noEmit');
  run('eslint/bin/eslint.js', 'tools/word_count2.ts', 'tools/index.ts', 'tests/tools/word_count2.test.ts');
  expect(run('vitest/vitest.mjs', 'run', '--maxWorkers=1')).toMatch(/13 passed/);
}, 240_000);

it.each([
  ['Bad', "cannot be a tool's name"],
  ['a__b', "cannot be a tool's name"],
  ['../x', "cannot be a tool's name"],
  ['calculator', 'already'],
  ['', "cannot be a tool's name"],
])('a name like "%s" is refused, and nothing is written', (name, message) => {
  const before = read('tools/index.ts');
  const { status, stderr } = make(name);
  expect(status).toBe(1);
  expect(stderr).toContain(message);
  expect(read('tools/index.ts')).toBe(before);
});

it('a list that is no longer what it was is not guessed at', () => {
  writeFileSync(join(folder, 'tools', 'index.ts'), 'export const nothing = 1;\n');
  expect(make('word_count')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('add the new one by hand') as string,
  });
  expect(() => read('tools/word_count.ts')).toThrow();
});
