/** A log thread that hangs, as one does whose disk hangs: it has started, and says nothing. The thread is a script. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { assistantMessage } from '../../../src/core/message.js';
import { openRemoteLog } from '../../../src/store/beside/log.js';
import { answer, opened, opening, temporaryFolder, user } from '../fixture.js';

const SCRIPT = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
parentPort.postMessage({ type: 'ready' });
`;

test('nobody waits without an end for a thread that hangs: answers go on, and are kept', async () => {
  const folder = temporaryFolder();
  const module = join(folder, 'hangs.mjs');
  writeFileSync(module, SCRIPT);
  const log = openRemoteLog({ dataDir: folder, module });
  await log.ready;
  const first = await answer(log, opening([user('hi')]), [{ text: 'ok' }]);
  expect(first.kept).toBe(true);
  const flushed = expect(log.flush()).rejects.toMatchObject({ status: 503, code: 'log_waiting' });
  const talk = [user('hi'), assistantMessage('ok', []), user('and?')];
  expect(await log.open(opening(talk))).toMatchObject({ continued: false });
  await flushed;
  expect(log.state).toMatchObject({ wait: { reason: expect.stringContaining('has said nothing') as string } });
  expect((await answer(log, opening(talk), [{ text: 'still' }])).kept).toBe(true);
  await expect(log.flush()).rejects.toMatchObject({ code: 'log_waiting' });
  await log.close();
});

test('a conversation that was looked up for somebody who has gone can be continued', async () => {
  const { log } = opened();
  const { turn } = await answer(log, opening([user('hi')]), [{ text: 'ok' }]);
  await log.flush();
  const talk = opening([user('hi'), turn, user('and?')]);
  const looked = log.open(talk);
  expect([looked.continued, log.open(talk).continued]).toEqual([true, false]);
  log.abandon(looked.trajectoryId);
  await answer(log, opening([user('another')]), [{ text: 'ok' }]);
  expect(log.open(talk)).toMatchObject({ continued: true, trajectoryId: looked.trajectoryId });
});
