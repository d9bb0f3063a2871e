/** The intake: what a process recorded and did not commit is committed by whoever opens the folder next. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Message } from '../../../src/core/message.js';
import { sha256 } from '../../../src/core/text/hash.js';
import { openStore } from '../../../src/store/file/db.js';
import { type Carried, Intake } from '../../../src/store/beside/intake.js';
import type { Place } from '../../../src/store/beside/intake_file.js';
import { IntakeLines } from '../../../src/store/intake/lines.js';
import { recoverAbandoned } from '../../../src/store/beside/recover.js';
import { openRemoteLog } from '../../../src/store/beside/log.js';
import { listTrajectories } from '../../../src/store/read/listing.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { stateOf } from '../../../src/store/read/state.js';
import { verify } from '../../../src/store/proof/verify.js';
import { writing } from './child.js';
import { action, answer, call, opened, opening, stepOf, temporaryFolder, user } from '../fixture.js';

const MODULE = fileURLToPath(new URL('../../../dist/src/store/beside/worker.js', import.meta.url));
/** Of a process that is gone: no pid is as large. */
const GONE = '1.99999999.1.1-000001.jsonl';

type RemoteLog = ReturnType<typeof openRemoteLog>;

/**
 * A data folder as a process leaves it that was killed right after `work`: `before` is committed, of `work` nothing is.
 */
async function abandoned(
  work: (log: RemoteLog) => Promise<unknown>,
  before: (log: RemoteLog) => Promise<unknown> = () => Promise.resolve(),
): Promise<{ readonly folder: string; readonly file: string }> {
  const [from, folder] = [temporaryFolder(), temporaryFolder()];
  const [store, other] = [openStore(from), openStore(from)];
  const log = openRemoteLog({ dataDir: from, module: MODULE });
  await before(log);
  await log.flush();
  other.sqlite.exec('BEGIN IMMEDIATE'); // nobody else can commit
  await work(log);
  mkdirSync(join(folder, 'intake'));
  const file = join(folder, 'intake', GONE);
  const [name = ''] = readdirSync(join(from, 'intake'));
  copyFileSync(join(from, 'intake', name), file);
  store.sqlite.prepare('VACUUM INTO ?').run(join(folder, 'gyre.db'));
  other.close();
  await log.close();
  store.close();
  return { folder, file };
}

/** Files with something in them: a gateway that runs has an empty one open. */
function files(folder: string): readonly string[] {
  return readdirSync(join(folder, 'intake')).filter((name) => statSync(join(folder, 'intake', name)).size > 0);
}

function readLines(path: string): { readonly lines: readonly string[]; readonly fault?: string } {
  const file = new IntakeLines(path);
  const lines = [...file];
  return file.fault === undefined ? { lines } : { lines, fault: file.fault };
}

test('after kill -9 every acknowledged answer is recovered, and the log is in order', async () => {
  for (const after of [1, 40, 400]) {
    const folder = temporaryFolder();
    const writer = writing(folder, 1_000_000, 'killed', 'beside');
    await writer.printed('ready');
    writer.go();
    await writer.printedLines(after + 1);
    writer.process.kill('SIGKILL');
    await writer.ended;
    const { store } = opened(folder);
    expect(await recoverAbandoned(store, folder)).toEqual([]);
    const row = store.sqlite.prepare(
      'SELECT 1 FROM responses r JOIN steps s ON s.response_id = r.id AND ' +
        's.trajectory_id = r.trajectory_id WHERE r.id = ?',
    );
    const acknowledged = writer.lines.filter((line) => line.startsWith('chatcmpl'));
    expect(acknowledged.length).toBeGreaterThanOrEqual(after);
    expect(acknowledged.filter((id) => row.get(id) === undefined)).toEqual([]);
    expect(verify(store.db).problems).toEqual([]);
    expect(files(folder)).toEqual([]);
  }
}, 120_000);

test('steps of an answer that had no end are kept, without an end', async () => {
  const { folder } = await abandoned(async (log) => {
    const open = await log.open(opening([user('q')]));
    await open.step(stepOf(open.messages, action('', [call('c1', '1+1')])), { role: 'assistant', content: '' });
  });
  const { store } = opened(folder);
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  const [only] = listTrajectories(store.db, { limit: 10 }).data;
  expect(readTrajectory(store.db, only?.id ?? '')?.steps).toHaveLength(1);
  expect(verify(store.db).problems).toEqual([]);
});

test('a conversation that went on is one trajectory again, its hidden turns with it', async () => {
  let trajectoryId = '';
  const asked: Message[] = [user('17 * 23?')];
  const { folder } = await abandoned(
    async (log) => {
      const next = await answer(log, opening([...asked, user('Sure?')]), [
        { text: 'Yes.', prompt: [1, 2, 3, 4, 5, 6], ids: [7] },
      ]);
      expect(next.recording.trajectoryId).toBe(trajectoryId);
    },
    async (log) => {
      const first = await answer(log, opening(asked), [
        { text: '', asks: [{ call: call('c1', '17*23'), gives: '391' }], prompt: [1, 2], ids: [3] },
        { text: 'It is 391.', prompt: [1, 2, 3, 4], ids: [5] },
      ]);
      ({ trajectoryId } = first.recording);
      asked.push(first.turn);
    },
  );
  const { store } = opened(folder);
  const before = readTrajectory(store.db, trajectoryId)?.steps.length ?? 0;
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  const read = readTrajectory(store.db, trajectoryId);
  expect([before, read?.steps.length]).toEqual([2, 3]);
  expect(read?.steps.at(-1)).toMatchObject({ prompt_token_ids: [1, 2, 3, 4, 5, 6], token_ids: [7] });
  expect(stateOf(store.db, read?.steps.at(-1)?.id ?? '')?.messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'tool',
    'assistant',
    'user',
  ]);
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { trajectories: 1, responses: 2 } });
});

test('an intake of an earlier build, with `say` and `thread` in its messages, is recovered', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'intake'));
  // Written by such a build: an answer with a hidden tool turn, and the first step of one that was cut short.
  copyFileSync(
    fileURLToPath(new URL('../../golden/intake/earlier-spelling.jsonl', import.meta.url)),
    join(folder, 'intake', GONE),
  );
  const { store } = opened(folder);
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  expect(files(folder)).toEqual([]);
  const [whole, cut] = ['traj-0mgj6k3cw000af22efe559', 'traj-0mgj6k3cw0018b8d4618a9'].map((id) =>
    readTrajectory(store.db, id),
  );
  expect(whole).toMatchObject({
    response_id: 'chatcmpl-1',
    outcome: 'completed',
    steps: [
      { id: 'step-1', action: '', prompt_token_ids: [1, 2], token_ids: [3], tool_calls: [{ observation: '391' }] },
      { id: 'step-2', action: 'It is 391.', prompt_token_ids: [1, 2, 3, 4], token_ids: [5], logprobs: [-0.5] },
    ],
  });
  expect(cut).toMatchObject({ outcome: null, steps: [{ id: 'step-3', action: 'half', token_ids: [8] }] });
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { trajectories: 2, steps: 3, responses: 1 } });
});

test('what is committed already is not written twice, however often its file is read', async () => {
  const { folder, file } = await abandoned(async (log) => {
    await answer(log, opening([user('a')]), [
      { text: '', asks: [{ call: call('c1', '1+1'), gives: '2' }] },
      { text: 'b' },
    ]);
    const open = await log.open(opening([user('open')]));
    await open.step(stepOf(open.messages, action('half')), { role: 'assistant', content: 'half' });
  });
  const { store } = opened(folder);
  const bytes = readFileSync(file);
  for (let time = 0; time < 3; time += 1) {
    writeFileSync(file, bytes);
    expect(await recoverAbandoned(store, folder)).toEqual([]);
  }
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { trajectories: 2, steps: 3, responses: 1 } });
});

test('a gateway that starts commits what the one before it left', async () => {
  const { folder } = await abandoned((log) => answer(log, opening([user('a')]), [{ text: 'b' }]));
  const { store } = opened(folder);
  const log = openRemoteLog({ dataDir: folder, module: MODULE });
  onTestFinished(() => log.close());
  await log.flush();
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { responses: 1 } });
  expect(files(folder)).toEqual([]);
});

test('what was deleted does not come back', async () => {
  const { folder, file } = await abandoned((log) => answer(log, opening([user('a')]), [{ text: 'b' }]));
  const { store } = opened(folder);
  const bytes = readFileSync(file);
  await recoverAbandoned(store, folder);
  removeTrajectory(store.db, GYRE_POLICY, listTrajectories(store.db, { limit: 1 }).data[0]?.id ?? '');
  writeFileSync(file, bytes);
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  expect(listTrajectories(store.db, { limit: 10 }).data).toEqual([]);
  expect(verify(store.db).problems).toEqual([]);
});

test('a flipped bit is reported, what precedes it is kept, and verify names the quarantined file', async () => {
  const { folder, file } = await abandoned(async (log) => {
    await answer(log, opening([user('before')]), [{ text: 'a' }]);
    await answer(log, opening([user('damaged')]), [{ text: 'b' }]);
    await answer(log, opening([user('behind')]), [{ text: 'c' }]);
  });
  const bytes = readFileSync(file);
  bytes[bytes.indexOf('damaged')] = 'D'.charCodeAt(0);
  writeFileSync(file, bytes);
  const { store } = opened(folder);
  expect((await recoverAbandoned(store, folder)).map(String).join()).toContain('line 2 is not as it was written');
  expect(listTrajectories(store.db, { limit: 10 }).data).toHaveLength(1);
  const [name = ''] = files(folder);
  expect(name).toMatch(/\.unsettled$/);
  expect(verify(store.db).problems).toEqual([
    { table: 'intake', id: name, problem: 'something in it could not be committed' },
  ]);
  expect(await recoverAbandoned(store, folder)).toEqual([]);
});

test.each(['[null]', 'null', '{"say":"begin"}', '""', '[{"type":"later","recording":9}]', '[{"type":"step"}]', '[{'])(
  'of a line no build of this kind wrote, %s, nothing is replayed; the others are, and the file is kept',
  async (strange) => {
    const { folder, file } = await abandoned((log) => answer(log, opening([user('a')]), [{ text: 'b' }]));
    const lines = readFileSync(file, 'utf8');
    const last = /(\S+) [^\n]*\n$/.exec(lines)?.[1] ?? '';
    writeFileSync(file, `${lines}${sha256(`${last}\n${strange}`)} ${strange}\n`);
    const { store } = opened(folder);
    expect((await recoverAbandoned(store, folder)).map(String).join()).toContain('cannot be understood');
    expect(verify(store.db).counts['responses']).toBe(1);
    expect(files(folder)).toEqual([expect.stringMatching(/\.unsettled$/)]);
  },
);

test('what cannot be committed because of a lock stays for the next process', async () => {
  const { folder, file } = await abandoned((log) => answer(log, opening([user('a')]), [{ text: 'b' }]));
  const { store } = opened(folder);
  const other = openStore(folder);
  store.sqlite.pragma('busy_timeout = 20');
  other.sqlite.exec('BEGIN IMMEDIATE');
  expect((await recoverAbandoned(store, folder)).map(String).join()).toContain('locked');
  other.close();
  const [name = ''] = files(folder);
  expect(name).toMatch(/\.jsonl$/);
  renameSync(join(folder, 'intake', name), file); // as if this process were gone, too
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { responses: 1 } });
});

test('a last line that was cut off was never acknowledged and is no damage', async () => {
  const { folder, file } = await abandoned(async (log) => {
    await answer(log, opening([user('a')]), [{ text: 'b' }]);
    await answer(log, opening([user('c')]), [{ text: 'd' }]);
  });
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, bytes.length - 20));
  const { store } = opened(folder);
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  expect(listTrajectories(store.db, { limit: 10 }).data).toHaveLength(1);
  expect(files(folder)).toEqual([]);
});

test('the intake of a process that is alive is not claimed', async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  onTestFinished(() => store.close());
  const intake = new Intake(folder, () => []);
  expect(intake.append('[]', 1)).toBeDefined();
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  expect(files(folder)).toHaveLength(1);
  void intake.discardCommitted(1);
  intake.close();
  expect(files(folder)).toEqual([]);
});

test('unfinished recordings are copied into each new file, and a file is deleted when all in it is committed', () => {
  const folder = temporaryFolder();
  let open: string[] = [];
  const intake = new Intake(folder, () => open.map((text) => ({ text })));
  intake.append('["one"]', 1);
  open = ['"open"'];
  const [first = ''] = intake.rotate();
  intake.append('["two"]', 2);
  expect(files(folder)).toHaveLength(2);
  void intake.discardCommitted(1);
  expect(existsSync(first)).toBe(false);
  const [second = ''] = files(folder);
  expect(readLines(join(folder, 'intake', second))).toEqual({ lines: ['["open"]', '["two"]'] });
  void intake.discardCommitted(2);
  expect(files(folder)).toEqual([second]); // little is not worth another file
  void intake.discardCommitted(2, true);
  const [third = ''] = files(folder);
  expect(readLines(join(folder, 'intake', third))).toEqual({ lines: ['["open"]'] });
  open = [];
  void intake.discardCommitted(2);
  expect(readLines(join(folder, 'intake', third))).toEqual({ lines: [] });
  intake.close();
  expect(files(folder)).toEqual([]);
});

/** An intake that holds one large message. */
function withLarge(): { folder: string; open: Carried[]; intake: Intake; large: string; place: Place } {
  const folder = temporaryFolder();
  const open: Carried[] = [];
  const intake = new Intake(folder, () => open);
  const large = JSON.stringify('x'.repeat(200_000));
  const place = intake.append(`[${large}]`, 1);
  if (place === undefined) throw new Error('the intake could not be written');
  return { folder, open, intake, large, place };
}

test('large messages of unfinished recordings are copied from where they stand, again and again', () => {
  const { folder, open, intake, large, place } = withLarge();
  open.push({ text: '"small"' }, { place }, { text: '"after"' });
  for (const number of [2, 3]) {
    intake.append('["other"]', number);
    void intake.discardCommitted(number, true);
    const [only = '', ...more] = files(folder);
    expect(more).toEqual([]);
    expect(readLines(join(folder, 'intake', only)).lines).toEqual(['["small"]', `[${large}]`, '["after"]']);
  }
  intake.close();
});

test('a file that begins with much of unfinished recordings is not begun again for little', () => {
  const folder = temporaryFolder();
  const large = JSON.stringify('x'.repeat(3 * 1024 * 1024));
  const intake = new Intake(folder, () => [{ text: large }]);
  intake.append(`["first"]`, 1);
  void intake.discardCommitted(1, true);
  const begun = files(folder);
  for (let number = 2; number < 6; number += 1) {
    intake.append(`["${'y'.repeat(500_000)}"]`, number);
    void intake.discardCommitted(number);
  }
  expect(files(folder)).toEqual(begun);
  intake.append(`["${'y'.repeat(2 * 1024 * 1024)}"]`, 6);
  void intake.discardCommitted(6);
  expect(files(folder)).not.toEqual(begun);
  intake.close();
});

test('what is unfinished and large goes on also where the file it stands in is set aside', () => {
  const { folder, open, intake, large, place } = withLarge();
  open.push({ place });
  intake.quarantine(intake.rotate());
  expect(intake.append('["other"]', 2)).toBeDefined();
  const [goesOn = ''] = files(folder).filter((name) => name.endsWith('.jsonl'));
  expect(readLines(join(folder, 'intake', goesOn)).lines).toEqual([`[${large}]`, '["other"]']);
  intake.close();
});
