/** Answers that were set aside are answers: deletion reaches them, and nothing beside them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { eraseSetAside } from '../../../src/store/beside/erase.js';
import { Intake } from '../../../src/store/beside/intake.js';
import { IntakeLines } from '../../../src/store/intake/lines.js';
import { settle } from '../../../src/store/beside/recover.js';
import { opened, opening, temporaryFolder, user } from '../fixture.js';

const begins = (recording: number, trajectoryId: string, message: Message): object => ({
  type: 'begin',
  recording,
  trajectoryId,
  opening: opening([message]),
});

/** A file that was set aside, of these lines. */
function aside(folder: string, ...lines: (readonly object[])[]): string {
  mkdirSync(join(folder, 'intake'), { recursive: true });
  const intake = new Intake(folder, () => []);
  lines.forEach((line, at) => intake.append(JSON.stringify(line), at + 1));
  const [name = ''] = readdirSync(join(folder, 'intake')).filter((each) => each.endsWith('.jsonl'));
  const path = join(folder, 'intake', name.replace('.jsonl', '.unsettled'));
  renameSync(join(folder, 'intake', name), path);
  intake.close();
  return path;
}

test('what was set aside of a deleted trajectory is gone, and the rest is whole', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  const path = aside(
    folder,
    [begins(1, 'traj-gone', user('the secret')), begins(2, 'traj-kept', user('harmless'))],
    [{ type: 'finish', recording: 1, ending: {} }],
    [begins(1, 'traj-other', user('another of the same number'))],
  );
  eraseSetAside(folder, 'traj-gone');
  const file = new IntakeLines(path);
  const lines = [...file];
  expect(file.fault).toBeUndefined();
  expect(
    lines.map((line) => (JSON.parse(line) as { trajectoryId: string }[]).map((each) => each.trajectoryId)),
  ).toEqual([['traj-kept'], ['traj-other']]);
  expect(readFileSync(path, 'utf8')).not.toContain('the secret');
  expect(await settle(store, folder, false)).toEqual([{ file: path, reasons: [] }]);
});

test('a file that had nothing else is deleted, and one that has nothing of it is not touched', () => {
  const folder = temporaryFolder();
  const path = aside(folder, [begins(1, 'traj-gone', user('the secret'))]);
  const before = readFileSync(path);
  eraseSetAside(folder, 'traj-other');
  expect(readFileSync(path)).toEqual(before);
  eraseSetAside(folder, 'traj-gone');
  expect(existsSync(path)).toBe(false);
});

const says = (recording: number, text: string): object => ({ type: 'step', recording, known: 0, added: [user(text)] });

test('of a damaged file what is not the trajectory stays as it is', () => {
  const folder = temporaryFolder();
  const path = aside(
    folder,
    [begins(1, 'traj-gone', user('the secret'))],
    [begins(2, 'traj-2', user('q'))],
    [says(1, 'more of the secret'), says(2, 'of the other')],
  );
  writeFileSync(path, readFileSync(path, 'utf8').replace('"q"', '"Q"'));
  eraseSetAside(folder, 'traj-gone');
  const text = readFileSync(path, 'utf8');
  expect(text).not.toContain('the secret');
  expect(text).toContain('"Q"');
  const lines = new IntakeLines(path, true);
  expect([...lines].join('')).toContain('of the other');
  expect(lines.fault).toBe('line 1 is not as it was written');
});

test.each([
  ['can still be read', (text: string) => text.replace('the secret', 'the Secret')],
  ['cannot be read any more', (text: string) => text.replace('[{"type":"begin"', '{"type":"begin"')],
])('a damaged line of the trajectory that %s is gone, and what follows of it', (_, damage) => {
  const folder = temporaryFolder();
  const path = aside(
    folder,
    [begins(1, 'traj-gone', user('the secret'))],
    [says(1, 'more of the secret')],
    [begins(2, 'traj-2', user('harmless'))],
  );
  writeFileSync(path, damage(readFileSync(path, 'utf8')));
  eraseSetAside(folder, 'traj-gone');
  expect(readFileSync(path, 'utf8')).not.toMatch(/secret/i);
  const lines = new IntakeLines(path);
  expect([[...lines].length, lines.fault]).toEqual([1, undefined]);
});
