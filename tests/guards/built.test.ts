import { join, relative } from 'node:path';

import ts from 'typescript';
import { expect, it } from 'vitest';

import { read, ROOT } from './tree.js';

// That what is compiled imports nothing beside it, the guard of the floors says.
it('what is installed elsewhere is compiled from src and tools: no test, no fake, no script', () => {
  const config: unknown = ts.parseConfigFileTextToJson('tsconfig.build.json', read('tsconfig.build.json')).config;
  const { fileNames, errors } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  expect(errors).toEqual([]);
  const files = fileNames.map((file) => relative(ROOT, file));
  expect(files).toContain(join('src', 'main.ts'));
  expect(files.filter((file) => !/^(src|tools)[/\\]/.test(file))).toEqual([]);
});
