/** A recording that ends every thread which takes it up, as one does that is too large for a thread's memory. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { openStore } from '../../../src/store/file/db.js';
import { isPassing } from '../../../src/store/file/passing.js';
import { openRemoteLog } from '../../../src/store/beside/log.js';
import { listTrajectories } from '../../../src/store/read/listing.js';
import { answer, opening, temporaryFolder, user } from '../fixture.js';

const DIST = new URL('../../../dist/src/store/', import.meta.url).href;

/** The log's thread, which ends where a step says so. */
const SCRIPT = `
const { LocalRecording } = await import('${DIST}log/recording.js');
const step = LocalRecording.prototype.step;
LocalRecording.prototype.step = function (taken, visible) {
  if (visible.content === 'ends it') process.exit(9);
  return step.call(this, taken, visible);
};
await import('${DIST}beside/worker.js');
`;

test('it is set aside alone, and all others are committed', async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const module = join(folder, 'ends.mjs');
  writeFileSync(module, SCRIPT);
  const log = openRemoteLog({ dataDir: folder, module });
  onTestFinished(async () => {
    await log.close();
    store.close();
  });
  await log.ready;
  const said = ['a', 'b', 'ends it', 'c', 'd'];
  const all = await Promise.all(said.map((text) => answer(log, opening([user(`say ${text}`)]), [{ text }])));
  expect(all.every(({ kept }) => kept)).toBe(true);
  const ids = (): string[] => listTrajectories(store.db, { limit: 10 }).data.map(({ id }) => id);
  const others = all.filter(({ turn }) => turn.content !== 'ends it').map(({ recording }) => recording.trajectoryId);
  await expect.poll(ids, { timeout: 30_000 }).toHaveLength(4);
  expect(ids().sort()).toEqual(others.sort());
  const after = await answer(log, opening([user('after')]), [{ text: 'e' }]);
  await log.flush();
  expect(ids()).toContain(after.recording.trajectoryId);
  expect(log.failures).toBeGreaterThan(0);
  const aside = readdirSync(join(folder, 'intake')).filter((name) => name.endsWith('.unsettled'));
  expect(aside).toHaveLength(1);
  const text = readFileSync(join(folder, 'intake', aside[0] ?? ''), 'utf8');
  expect([text.includes('say ends it'), text.includes('say a'), text.includes('say d')]).toEqual([true, false, false]);
});

test('memory that is used up, a disk that is away and a folder that is not there pass', () => {
  for (const code of ['ERR_WORKER_OUT_OF_MEMORY', 'ESTALE', 'ENODEV', 'ENOENT', 'SQLITE_NOMEM'])
    expect([code, isPassing(Object.assign(new Error('no'), { code }))]).toEqual([code, true]);
  for (const code of ['SQLITE_CONSTRAINT', 'SQLITE_CORRUPT', 'ERR_MODULE_NOT_FOUND', ''])
    expect([code, isPassing(Object.assign(new Error('no'), { code }))]).toEqual([code, false]);
});
