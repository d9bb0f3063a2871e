/** Deletion of what was set aside: no file that waits for a person spells a trajectory that was deleted. */
import { renameSync, writeFileSync } from 'node:fs';

import { writeJson } from '../../core/text/json.js';
import { discard, hashAfter, quarantinedPaths, readLines } from './intake_files.js';
import { parseIntakeLine } from './wire.js';

/**
 * Takes the trajectory out of the files that were set aside. One of which a line is damaged is left as it is: it is all
 * there is to mend the line by, and `gyre log settle` leaves the trajectory out.
 */
export function eraseSetAside(dataDir: string, trajectoryId: string): void {
  for (const path of quarantinedPaths(dataDir)) {
    const { lines, fault } = readLines(path, true);
    if (fault !== undefined || !lines.some((line) => line.includes(trajectoryId))) continue;
    const gone = new Set<number>();
    const kept = lines.flatMap((line) => {
      const messages = parseIntakeLine(line).filter((message) => {
        if (message.type === 'begin') {
          if (message.trajectoryId === trajectoryId) gone.add(message.recording);
          else gone.delete(message.recording);
        }
        return !gone.has(message.recording);
      });
      return messages.length === 0 ? [] : [writeJson(messages)];
    });
    if (kept.length === 0) discard(path);
    else rewrite(path, kept);
  }
}

function rewrite(path: string, lines: readonly string[]): void {
  let before = '';
  const text = lines.map((line) => {
    before = hashAfter(before, line);
    return `${before} ${line}\n`;
  });
  writeFileSync(`${path}.new`, text.join(''), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
