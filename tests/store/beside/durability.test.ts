import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { openStore } from '../../../src/store/file/db.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { openLog } from '../../../src/store/log/log.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { action, answer, call, DONE, opened, opening, stepOf, temporaryFolder, toolSays, user } from '../fixture.js';
import { writing } from './child.js';

test('after kill -9 every acknowledged answer has its rows and the log is in order', async () => {
  for (const after of [1, 40, 200]) {
    const folder = temporaryFolder();
    const writer = writing(folder, 1_000_000, 'killed');
    await writer.printed('ready');
    writer.go();
    await writer.printedLines(after + 1);
    writer.process.kill('SIGKILL');
    await writer.ended;
    const { store } = opened(folder);
    const row = store.sqlite.prepare(
      'SELECT 1 FROM responses r JOIN steps s ON s.response_id = r.id AND ' +
        's.trajectory_id = r.trajectory_id WHERE r.id = ?',
    );
    const acknowledged = writer.lines.filter((line) => line.startsWith('chatcmpl'));
    expect(acknowledged.length).toBeGreaterThanOrEqual(after);
    expect(acknowledged.filter((id) => row.get(id) === undefined)).toEqual([]);
    expect(verify(store.db).problems).toEqual([]);
  }
}, 120_000);

test('two processes write at once, open a new folder at once, and neither loses anything', async () => {
  const folder = temporaryFolder();
  const writers = ['ada', 'bob'].map((name) => writing(folder, 400, name));
  await Promise.all(writers.map((writer) => writer.printed('ready')));
  for (const writer of writers) writer.go();
  const { store, log } = opened(folder);
  for (let at = 0; at < 20; at += 1) {
    const mine = await answer(log, opening([user(`mine ${at}`)]), [{ text: 'yes' }]);
    expect(mine.kept).toBe(true);
    saveVerdicts(store.db, [
      {
        id: `vrd-${at}`,
        subjectKind: 'step',
        subjectId: mine.steps[0]?.id ?? '',
        judge: 'rule',
        judgeVersion: '1',
        good: true,
        rationale: '',
        createdAt: 1,
      },
    ]);
    if (at % 5 === 0) removeTrajectory(store.db, GYRE_POLICY, mine.recording.trajectoryId);
    if (at % 7 === 0) expect(verify(store.db).problems).toEqual([]);
  }
  await Promise.all(writers.map((writer) => writer.ended));
  expect(writers.map((writer) => writer.lines.at(-1))).toEqual(['failures 0', 'failures 0']);
  const count = store.sqlite.prepare('SELECT count(*) AS n FROM responses').get() as { n: number };
  expect(count.n).toBe(800 + 16);
  // Each process writes the system prompt its conversations share once, and once more after each of the four deletions.
  const shared = store.sqlite.prepare(`SELECT count(*) AS n FROM messages WHERE body LIKE '%shared%'`).get() as {
    n: number;
  };
  expect(shared.n).toBeLessThanOrEqual(2 * 5);
  expect(verify(store.db).problems).toEqual([]);
}, 120_000);

test('what does not fit on a full disk waits, in its order, and is committed when there is space', async () => {
  const { store, log } = opened();
  await answer(log, opening([user('before')]), [{ text: 'ok' }]);
  const pages = store.sqlite.pragma('page_count', { simple: true }) as number;
  store.sqlite.pragma(`max_page_count = ${pages + 2}`);
  const big = 'x'.repeat(60_000);
  const waits = answer(log, opening([user(big)]), [{ text: 'answered' }]);
  await expect.poll(() => log.state.wait?.reason).toContain('the disk is full');
  const behind = answer(log, opening([user('small')]), [{ text: 'fits' }]);
  expect(verify(store.db)).toMatchObject({ problems: [], counts: { responses: 1 } });
  store.sqlite.pragma('max_page_count = 1073741823');
  await log.flush();
  expect([(await waits).kept, (await behind).kept]).toEqual([true, true]);
  const followUp = await answer(log, opening([user(big), (await waits).turn, user('and?')]), [{ text: 'here again' }]);
  expect(followUp.recording.continued).toBe(true);
  expect([log.failures, log.state.wait]).toEqual([0, undefined]);
  expect(verify(store.db)).toMatchObject({ problems: [], counts: { responses: 4 } });
});

test('a log that has no other place for it gives up what waits for too long, and counts it', async () => {
  const { store, log } = opened(undefined, { patienceMs: 0 });
  const pages = store.sqlite.pragma('page_count', { simple: true }) as number;
  store.sqlite.pragma(`max_page_count = ${pages + 2}`);
  const lost = await answer(log, opening([user('x'.repeat(60_000))]), [{ text: 'still answered' }]);
  expect([lost.kept, lost.turn.content, log.failures]).toEqual([false, 'still answered', 2]);
  expect((await answer(log, opening([user('small')]), [{ text: 'fits' }])).kept).toBe(true);
  expect(verify(store.db)).toMatchObject({ problems: [], counts: { responses: 1 } });
});

test('one bad row does not take the others of its group with it', async () => {
  const { store, log } = opened();
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((name) => {
      const asked = opening([user(name)]);
      return answer(log, asked, [{ text: name, prompt: name === 'b' ? [1] : [2], ids: [3] }]);
    }),
  );
  expect(answers.every((one) => one.kept)).toBe(true);
  const [twin] = answers;
  const recording = log.open(opening([user('d')]));
  const again = recording.step(
    { ...stepOf([user('d')], action('d')), id: twin?.steps[0]?.id ?? '' },
    { role: 'assistant', content: 'd' },
  );
  const [bad, good] = await Promise.all([again, answer(log, opening([user('e')]), [{ text: 'e' }])]);
  expect(bad).toBe(false);
  expect(good.kept).toBe(true);
  expect(await recording.finish(DONE)).toBe(false);
  expect(log.failures).toBe(1);
  expect(verify(store.db).problems).toEqual([]);
});

test('a step that cannot be stored is counted and the rest of its response is kept', async () => {
  const { store, log } = opened();
  const recording = log.open(opening([user('q')]));
  const impossible = stepOf([user('q')], action('half', [], { promptTokenIds: [1.5], tokenIds: [1], logprobs: [-1] }));
  const lost = recording.step(impossible, { role: 'assistant', content: 'half' });
  const whole = stepOf(
    [user('q'), { role: 'assistant', content: 'half' }, toolSays('c', '1')],
    action('whole', [call('c', '1')]),
  );
  const kept = recording.step(whole, { role: 'assistant', content: 'halfwhole' });
  expect(await Promise.all([lost, kept, recording.finish(DONE)])).toEqual([false, true, false]);
  expect(log.failures).toBe(1);
  expect(readTrajectory(store.db, recording.trajectoryId)?.steps).toHaveLength(1);
  expect(verify(store.db).problems).toEqual([]);
  const next = log.open(opening([user('q'), { role: 'assistant', content: 'halfwhole' }, user('go on')]));
  expect(next.continued).toBe(true);
});

test('a closed store is counted, never thrown', async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const log = openLog(store);
  const recording = log.open(opening([user('q')]));
  store.close();
  expect(await recording.step(stepOf([user('q')], action('a')), { role: 'assistant', content: 'a' })).toBe(false);
  expect(await recording.finish(DONE)).toBe(false);
  await log.flush();
  expect(log.failures).toBe(2);
});

test('flush resolves when everything recorded is committed', async () => {
  const { store, log } = opened(undefined, { flushMs: 60_000 });
  const recording = log.open(opening([user('q')]));
  void recording.step(stepOf([user('q')], action('a')), { role: 'assistant', content: 'a' });
  void recording.finish(DONE);
  await log.flush();
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM responses').get()).toEqual({ n: 1 });
});

test('many answers of one moment are one commit', async () => {
  const { store, log } = opened();
  await Promise.all(Array.from({ length: 64 }, (_, at) => answer(log, opening([user(`q ${at}`)]), [{ text: 'a' }])));
  const entries = store.sqlite.prepare<[], { entries: string }>('SELECT entries FROM ledger').all();
  expect(entries).toHaveLength(1);
  expect(JSON.parse(entries[0]?.entries ?? '[]')).toHaveLength(64 * 3);
});
