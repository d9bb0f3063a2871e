/** `npm run licences` in a checkout of two small locks, and in this one. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { ROOT } from '../../guards/tree.js';

let root: string;
const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const run = (folder = root): { readonly code: number | null; readonly said: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'scripts', 'licences.mjs')]);
  return { code: status, said: `${stdout.toString()}${stderr.toString()}` };
};
const node = (name: string, manifest: object, entry: object = {}): void => {
  packages[`node_modules/${name}`] = { version: '1.0.0', ...entry };
  write('package-lock.json', JSON.stringify({ packages }));
  write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', ...manifest }));
};
const python = (name: string, metadata: string, files: Readonly<Record<string, string>> = {}): void => {
  pins.push(`${name}==1.0.0`);
  write('trainer/requirements.lock', pins.join('\n'));
  const site = `.venv/lib/python3.11/site-packages`;
  const info = `${site}/${name.replaceAll('-', '_')}-1.0.0.dist-info`;
  write(`${info}/METADATA`, `Metadata-Version: 2.4\nName: ${name}\n${metadata}\n\nLicense: of the text\n`);
  write(`${info}/RECORD`, Object.keys(files).join(',,\n'));
  for (const [path, text] of Object.entries(files)) write(`${site}/${path}`, text);
};
const know = (known: object): void =>
  write('licences.json', JSON.stringify({ allowed: ['MIT', 'Apache-2.0'], packages: {}, runs: {}, ...known }));
let packages: Record<string, object>;
let pins: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gyre-licences-'));
  cpSync(join(ROOT, 'scripts', 'licences.mjs'), join(root, 'scripts', 'licences.mjs'));
  for (const folder of ['licences', 'setup'])
    cpSync(join(ROOT, 'scripts', folder), join(root, 'scripts', folder), { recursive: true });
  write('package.json', '{"type": "module"}');
  [packages, pins] = [{ '': {} }, []];
  know({});
  node('good', { license: 'MIT' });
  python('fine-one', 'License-Expression: Apache-2.0');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('lists every package by its licence, and ends with 0 where all are allowed', () => {
  node('old', { licenses: [{ type: 'MIT' }] });
  python('classified', 'Classifier: License :: OSI Approved :: MIT License');
  const { code, said } = run();
  expect(said).toMatch(/^MIT +3 {2}good, old, classified$/m);
  expect(said).toMatch(/^Apache-2.0 +1 {2}fine-one$/m);
  expect(said).toContain('copyleft or unknown: 0');
  expect(code, said).toBe(0);
});

it.each([
  ['a licence in no list', () => node('bad', { license: 'AGPL-3.0-only' }), 'bad 1.0.0  AGPL-3.0-only'],
  ['no licence at all', () => node('bad', {}), 'bad 1.0.0  unknown'],
  ['one of Python', () => python('bad', 'License: GPL-3.0-or-later'), 'bad 1.0.0  GPL-3.0-or-later'],
])('%s is named, and ends it with 1', (_, add, line) => {
  add();
  const { code, said } = run();
  expect(said).toContain('copyleft or unknown: 1');
  expect(said).toContain(`its licence is not in licences.json: ${line}`);
  expect(code).toBe(1);
});

it('somebody has looked at it: then it is named with the reason, and is no fault', () => {
  node('bad', { license: 'AGPL-3.0-only' });
  node('bad-linux', { license: 'AGPL-3.0-only' });
  know({ packages: { 'bad*': { licence: 'AGPL-3.0-only', why: 'of the tests' } } });
  const { code, said } = run();
  expect(said).toContain('bad 1.0.0  AGPL-3.0-only  (package-lock.json): of the tests');
  expect(code, said).toBe(0);
});

it('what is run at installation, or when Python starts, is named, and ends it with 1 until somebody has looked', () => {
  node('scripted', { license: 'MIT', scripts: { postinstall: 'node x.js', test: 'true' } });
  node('built', { license: 'MIT' }, { hasInstallScript: true });
  python('hooked', 'License-Expression: MIT', { 'hooked.pth': 'import hooked\n', 'path.pth': '/somewhere\n' });
  const { code, said } = run();
  expect(said).toContain('when Python starts: 3');
  expect(said).toContain('scripted 1.0.0  postinstall: node x.js');
  expect(said).toContain("hooked 1.0.0  at Python's start: hooked.pth");
  expect(code).toBe(1);
  know({ runs: { scripted: 'x', built: 'y', hooked: 'z' } });
  expect(run().code).toBe(0);
});

it('what is for another platform is taken from the lock', () => {
  node('elsewhere', {}, { license: 'MIT', optional: true });
  rmSync(join(root, 'node_modules', 'elsewhere'), { recursive: true });
  expect(run().code).toBe(0);
});

it('a package of Python that is not installed cannot be told, and what is in no lock is out of date', () => {
  write('trainer/requirements.lock', 'fine-one==1.0.0\nabsent==2.0.0\n');
  expect(run()).toMatchObject({ code: 1, said: expect.stringContaining('not installed: absent') as string });
  write('trainer/requirements.lock', 'fine-one==1.0.0\n');
  know({ packages: { gone: { licence: 'MIT', why: '' } } });
  expect(run()).toMatchObject({ code: 1, said: expect.stringContaining('in no lock: gone') as string });
});

it.skipIf(!existsSync(join(ROOT, '.venv', '.gyre-stamp')) || !existsSync(join(ROOT, '.venv-clients', '.gyre-stamp')))(
  'this checkout has nothing that nobody has looked at',
  () => {
    const { code, said } = run(ROOT);
    expect(code, said.slice(-2000)).toBe(0);
  },
);
