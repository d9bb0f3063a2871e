/** Lines of the intake that are so large that the thread pool writes them. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { type Carried, Intake } from '../../../src/store/beside/intake.js';
import { openRemoteLog } from '../../../src/store/beside/log.js';
import { IntakeLines } from '../../../src/store/intake/lines.js';
import { verify } from '../../../src/store/proof/verify.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { answer, opened, opening, temporaryFolder, user } from '../fixture.js';

const MODULE = fileURLToPath(new URL('../../../dist/src/store/beside/worker.js', import.meta.url));

/** Files with something in them: a gateway that runs has an empty one open. */
function files(folder: string): readonly string[] {
  return readdirSync(join(folder, 'intake')).filter((name) => statSync(join(folder, 'intake', name)).size > 0);
}

/** The lines of a file, all of which are as they were written. */
function readLines(path: string): readonly string[] {
  const file = new IntakeLines(path);
  const lines = [...file];
  expect(file.fault).toBeUndefined();
  return lines;
}

/** As `Intake.appendLarge` is given one: in pieces. */
const inPieces = (line: string): readonly Buffer[] =>
  (line.match(/.{1,100000}/g) ?? []).map((each) => Buffer.from(each));

test('a large line is written by the thread pool, and nothing else is done with the files meanwhile', async () => {
  const folder = temporaryFolder();
  const open: Carried[] = [];
  const intake = new Intake(folder, () => open);
  intake.append('["first"]', 1);
  const [path = ''] = files(folder).map((name) => join(folder, 'intake', name));
  const large = `["${'é'.repeat(300_000)}"]`;
  const writing = intake.appendLarge(inPieces(large), 2);
  expect(intake.busy).toBeDefined();
  expect(intake.canWrite()).toBe(true);
  expect(intake.setAside(new Set([1]))).toBe(false);
  const discarded = intake.discardCommitted(2); // is done when it is written
  const place = await writing;
  await discarded;
  expect(intake.busy).toBeUndefined();
  expect(readLines(path)).toEqual([]);
  const again = await intake.appendLarge(inPieces(large), 3);
  intake.append('["last"]', 4);
  expect(readLines(path)).toEqual([large, '["last"]']);
  expect([place, again].map((each) => each && each.to - each.from)).toEqual([600_073, 600_073]);
  expect(again === undefined ? [] : intake.read(again)).toEqual([large]);
  intake.close();
});

test('what is large and unfinished is copied in turns, and the file it stood in is deleted', async () => {
  const folder = temporaryFolder();
  const open: Carried[] = [];
  const intake = new Intake(folder, () => open);
  const large = `["${'x'.repeat(900_000)}"]`;
  const stands = await intake.appendLarge(inPieces(large), 2);
  if (stands === undefined) throw new Error('the intake could not be written');
  open.push({ text: '"small"' }, { place: stands }, { text: '"after"' });
  const before = files(folder);
  const copied = intake.discardCommitted(2, true);
  expect(copied).toBeInstanceOf(Promise);
  const asked = intake.discardCommitted(2);
  await Promise.all([copied, asked]);
  const [only = '', ...more] = files(folder);
  expect(more).toEqual([]);
  expect(before).not.toContain(only);
  expect(readLines(join(folder, 'intake', only))).toEqual(['["small"]', large, '["after"]']);
  intake.append('["next"]', 3);
  expect(readLines(join(folder, 'intake', only)).at(-1)).toBe('["next"]');
  intake.close();
});

test('a file of which most is unfinished is not copied for being long; one of which most is over is', async () => {
  const folder = temporaryFolder();
  const open: Carried[] = [];
  const intake = new Intake(folder, () => open);
  const huge = inPieces(`["${'x'.repeat(17 * 1024 * 1024)}"]`);
  const first = await intake.appendLarge(huge, 1);
  if (first === undefined) throw new Error('the intake could not be written');
  open.push({ place: first });
  expect(intake.makeRoom()).toBeUndefined();
  intake.append('["next"]', 2);
  expect(files(folder)).toHaveLength(1);
  const second = await intake.appendLarge(huge, 3);
  if (second === undefined) throw new Error('the intake could not be written');
  open[0] = { place: second };
  await intake.makeRoom();
  expect(files(folder)).toHaveLength(2);
  intake.append('["last"]', 4);
  await intake.discardCommitted(3);
  const [only = '', ...more] = files(folder);
  expect(more).toEqual([]);
  expect(readLines(join(folder, 'intake', only)).map(({ length }) => length)).toEqual([17 * 1024 * 1024 + 4, 8]);
  intake.close();
});

test('large answers to large questions are kept among small ones, to the last letter', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  const log = openRemoteLog({ dataDir: folder, module: MODULE });
  const sizes = Array.from({ length: 12 }, (_, at) => (at % 3 === 0 ? 1_500_000 : 20));
  const answerOf = (at: number, size: number): string => `answer ${at} é`.repeat(size / 10);
  const answers = await Promise.all(
    sizes.map((size, at) =>
      answer(log, opening([user(`question ${at} `.repeat(size / 20))]), [
        { text: answerOf(at, size), prompt: [1], ids: [at] },
      ]),
    ),
  );
  await log.flush();
  await log.close();
  for (const [at, size] of sizes.entries()) {
    const read = readTrajectory(store.db, answers[at]?.recording.trajectoryId ?? '');
    expect(read?.steps[0]?.action === answerOf(at, size), `answer ${at}`).toBe(true);
    expect(read?.messages[0]?.content === `question ${at} `.repeat(size / 20), `question ${at}`).toBe(true);
  }
  expect(verify(store.db).problems).toEqual([]);
  expect(files(folder)).toEqual([]);
});
