/** What one process at a time may do: rows that name their holders. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect, onTestFinished, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { processOf } from '../../../src/core/running/process.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { openStore, type Store } from '../../../src/store/file/db.js';
import { temporaryFolder } from '../fixture.js';

interface Rows extends ReturnType<typeof learningStore> {
  readonly as: Held;
  readonly sqlite: Store['sqlite'];
}

function rowsOf(folder: string, policy = GYRE_POLICY): Rows {
  const store = openStore(folder);
  onTestFinished(() => store.close());
  const as: Held = (pid, startTime) =>
    void store.sqlite.prepare('UPDATE leases SET pid = ?, start_time = ?').run(pid, startTime);
  return { ...learningStore(store.db, policy), as, sqlite: store.sqlite };
}
/** Makes another process the holder. */
type Held = (pid: number, startTime: string) => void;

test('of many at once one has it, and the others are told who; given back, it is free', async () => {
  const folder = temporaryFolder();
  const many = Array.from({ length: 20 }, () => rowsOf(folder).lock);
  const taken = await Promise.allSettled(many.map((lock) => lock.take('cycle', 'a learning cycle')));
  const releases = taken.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  expect(releases).toHaveLength(1);
  const refused = taken.find((outcome) => outcome.status === 'rejected');
  expect(refused?.reason).toMatchObject({
    status: 409,
    code: 'cycle_running',
    message: `a learning cycle is running in process ${process.pid}; wait for it, or end that process`,
  });
  await releases[0]?.();
  const again = await many[1]?.take('cycle', 'a learning cycle');
  // The first holder has nothing to give back any more.
  await releases[0]?.();
  await expect(many[2]?.take('cycle', 'a learning cycle')).rejects.toMatchObject({ code: 'cycle_running' });
  await again?.();
});

test('a holder that was killed holds nothing, nor does a process that was given its number', async () => {
  const { lock, as } = rowsOf(temporaryFolder());
  await lock.take('cycle', 'a learning cycle');
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const { startTime = '' } = processOf(child.pid ?? 0) ?? {};
  as(child.pid ?? 0, startTime);
  await expect(lock.take('cycle', 'a learning cycle')).rejects.toThrow(`in process ${child.pid ?? 0};`);
  as(child.pid ?? 0, `${startTime}1`);
  await lock.take('cycle', 'a learning cycle');
  as(child.pid ?? 0, startTime);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await lock.take('cycle', 'a learning cycle');
});

test('what could not be given back is free all the same, for the one that it is given to next', async () => {
  const { lock, sqlite } = rowsOf(temporaryFolder());
  const release = await lock.take('cycle', 'a learning cycle');
  sqlite.exec("CREATE TRIGGER full BEFORE DELETE ON leases BEGIN SELECT raise(ABORT, 'the disk is full'); END");
  await expect(release()).rejects.toThrow('the disk is full');
  const next = await lock.take('cycle', 'the next');
  await expect(lock.take('cycle', 'another')).rejects.toThrow(/^the next is running/);
  sqlite.exec('DROP TRIGGER full');
  await release();
  await expect(lock.take('cycle', 'another')).rejects.toThrow(/^the next is running/);
  await next();
  await (
    await lock.take('cycle', 'another')
  )();
});

test('what is another thing to do, or another policy, is not in the way', async () => {
  const folder = temporaryFolder();
  await rowsOf(folder).lock.take('cycle', 'a learning cycle');
  await rowsOf(folder).lock.take('steering', 'a rollback');
  await rowsOf(folder, 'other').lock.take('cycle', 'a learning cycle');
});
