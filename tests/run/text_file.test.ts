import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

import { settings } from '../../src/run/settings.js';
import { readText } from '../../src/run/text_file.js';

const folder = mkdtempSync(join(tmpdir(), 'gyre-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (bytes: Buffer): string => {
  const path = join(folder, 'file');
  writeFileSync(path, bytes);
  return path;
};

test.each<[string, Buffer]>([
  ['UTF-8 with a mark', Buffer.from('\uFEFFgrößer 東京')],
  ['UTF-16', Buffer.from('\uFEFFgrößer 東京', 'utf16le')],
])('text in %s is read without its mark', (_, bytes) => {
  expect(readText(file(bytes), 'it')).toBe('größer 東京');
});

test('what is no text, or not there, is named', () => {
  expect(() => readText(file(Buffer.from([0, 1, 2])), 'the list')).toThrow(/^the list cannot be read: it is binary/);
  expect(() => readText(join(folder, 'none'), '"none"')).toThrow(/^"none" cannot be read: ENOENT/);
});

test('a configuration may be written in any of them, too', () => {
  const path = file(Buffer.from('\uFEFFport: 4321\n', 'utf16le'));
  expect(settings({ config: path }, {}, folder).port).toBe(4321);
});
