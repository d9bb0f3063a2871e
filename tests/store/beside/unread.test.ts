/** Lines of the intake that the log's thread cannot read just now are read later, before what came after them. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, expect, it, vi } from 'vitest';

import { openStore } from '../../../src/store/file/db.js';
import { LogThread } from '../../../src/store/beside/thread.js';
import { type FromLog, readMessage } from '../../../src/store/beside/wire.js';

const MODULE = fileURLToPath(new URL('../../../dist/src/store/beside/worker.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gyre-unread-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openedOften = (file: string): number[] => Array.from({ length: 100 }, () => openSync(file, 'r'));

it('waits, says so, and goes on in order', async () => {
  openStore(folder).close();
  const heard: FromLog[] = [];
  const thread = new LogThread(
    { dataDir: folder, module: MODULE },
    { message: (message) => heard.push(message), exited: () => undefined },
  );
  const committed = (): number[] => heard.flatMap((message) => (message.type === 'committed' ? [message.line] : []));
  try {
    thread.start({ recover: [], writer: 'test', numbered: 0, careful: false, leaveOut: [] });
    await thread.ready;
    const file = join(folder, 'lines');
    const line = `${'0'.repeat(64)} []\n`;
    writeFileSync(file, line);
    // A descriptor that nothing has, until the same file is opened as often again.
    const opened = openedOften(file);
    const fd = Math.max(...opened);
    opened.forEach((each) => closeSync(each));
    thread.post(readMessage([{ file: { fd }, from: 0, to: line.length }], 1));
    await vi.waitFor(() => expect(heard.some(({ type }) => type === 'waiting')).toBe(true), 5_000);
    const again = openedOften(file);
    try {
      expect(again).toContain(fd);
      thread.post(readMessage([{ file: { fd }, from: 0, to: line.length }], 2));
      await vi.waitFor(() => expect(committed().at(-1)).toBe(2), 5_000);
      expect(committed()).toEqual([...committed()].sort((one, other) => one - other));
      expect(heard.findLast(({ type }) => type === 'waiting')).toEqual({ type: 'waiting', wait: undefined });
    } finally {
      again.forEach((each) => closeSync(each));
    }
  } finally {
    await thread.end();
  }
});
