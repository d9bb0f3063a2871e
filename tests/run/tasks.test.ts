import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

import { readTasks } from '../../src/run/tasks.js';
import { adder } from '../fakes/gateway.js';

const folder = mkdtempSync(join(tmpdir(), 'gyre-tasks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const toolbox = new Map([['calculator', adder]]);
const read = (bytes: Buffer | string): ReturnType<typeof readTasks> => {
  const path = join(folder, 'tasks.jsonl');
  writeFileSync(path, bytes);
  return readTasks(path, toolbox, { mcp: [{ name: 'files', command: 'x' }] });
};
const ROW = '{"id": "größe", "prompt": "東京?", "reference": "å"}';

test.each<[string, Buffer]>([
  ['UTF-8', Buffer.from(ROW)],
  ['UTF-8 with a mark', Buffer.from(`\uFEFF${ROW}`)],
  ['UTF-16LE', Buffer.from(`\uFEFF${ROW}`, 'utf16le')],
  ['UTF-16BE', Buffer.from(`\uFEFF${ROW}`, 'utf16le').swap16()],
  ['UTF-16LE without a mark', Buffer.from(ROW, 'utf16le')],
])('a task file in %s is read', (_, bytes) => {
  expect(read(bytes)).toMatchObject([{ id: 'größe', reference: 'å', messages: [{ content: '東京?' }] }]);
});

test('another encoding is not guessed at', () => {
  expect(() => read(Buffer.from(ROW.replace('東京', ''), 'latin1'))).toThrow(/tasks\.jsonl" cannot be read: .*UTF-8/);
  expect(() => read(Buffer.from([0, 1, 2, 0]))).toThrow(/cannot be read: it is binary/);
});

test('a tool is one of this gateway, or begins as those of a server', () => {
  expect(read('{"prompt": "x", "tools": ["calculator", "files__read"]}')).toHaveLength(1);
  expect(() => read('{"prompt": "x"}\n{"prompt": "y", "tools": ["calculator", "file__read"]}')).toThrow(
    /line 2, field "tools\.1": there is no server tool "file__read".*There are: calculator, files__\.\.\./,
  );
});
