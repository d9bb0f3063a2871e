import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { takeLock } from '../../../scripts/setup/lock.mjs';
import { childProcesses, isAlive, startTime } from '../../../scripts/setup/processes.mjs';
import { progress } from '../../../scripts/setup/progress.mjs';
import { ROOT } from '../../guards/tree.js';
import { folder, write } from './folder.js';

describe('one set-up at a time', () => {
  it('the second waits for the first', async () => {
    const lock = join(folder, 'setup', 'lock');
    const events: string[] = [];
    const release = await takeLock(lock, () => undefined);
    const second = takeLock(lock, (pid) => events.push(`waiting for ${pid}`)).then((free) => {
      events.push('second');
      free();
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    events.push('first is done');
    release();
    await second;
    expect(events).toEqual([`waiting for ${process.pid}`, 'first is done', 'second']);
    expect(existsSync(lock)).toBe(false);
  });

  it('a lock whose holder is gone is taken over, also by several at once', async () => {
    const lock = join(folder, 'lock');
    const program = `
      import { takeLock } from ${JSON.stringify(pathToFileURL(join(ROOT, 'scripts', 'setup', 'lock.mjs')).href)};
      import { appendFileSync } from 'node:fs';
      const release = await takeLock(${JSON.stringify(lock)}, () => undefined);
      appendFileSync(${JSON.stringify(join(folder, 'journal'))}, 'in\\n');
      await new Promise((resolve) => setTimeout(resolve, 50));
      appendFileSync(${JSON.stringify(join(folder, 'journal'))}, 'out\\n');
      release();`;
    write('holder.mjs', program);
    writeFileSync(lock, JSON.stringify({ pid: process.pid, started: '1' }));
    const ends = Array.from({ length: 5 }, () =>
      spawn(process.execPath, [join(folder, 'holder.mjs')], { stdio: 'inherit' }),
    ).map((child) => new Promise((resolve) => child.once('exit', resolve)));
    expect(await Promise.all(ends)).toEqual([0, 0, 0, 0, 0]);
    expect(readFileSync(join(folder, 'journal'), 'utf8')).toBe('in\nout\n'.repeat(5));
  });

  it('what a killed set-up left running is ended by the next, and only that', async () => {
    const records = join(folder, 'children');
    const left = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
      detached: true,
      stdio: 'ignore',
    });
    const other = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
      detached: true,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => left.once('exit', resolve));
    write(`children/${left.pid ?? 0}`, startTime(left.pid ?? 0));
    write(`children/${other.pid ?? 0}`, '1');
    childProcesses(records).endStale();
    await ended;
    expect(isAlive({ pid: other.pid ?? 0, started: startTime(other.pid ?? 0) })).toBe(true);
    other.kill('SIGKILL');
  });
});

describe('the commands of set-up', () => {
  it('their lines are told, their last words kept, and everything is in the log', async () => {
    const children = childProcesses(join(folder, 'children'));
    const lines: string[] = [];
    const log = join(folder, 'logs', 'x.log');
    const result = await children.run('sh', ['-c', 'echo one; echo two >&2; exit 3'], {
      cwd: folder,
      log,
      onLine: (line) => lines.push(line),
    });
    expect(result.code).toBe(3);
    expect(lines.sort()).toEqual(['one', 'two']);
    expect(result.tail.sort()).toEqual(['one', 'two']);
    expect(readFileSync(log, 'utf8')).toMatch(/^\$ sh -c [\s\S]*one/);
    expect((await children.run('no-such-program', [], { cwd: folder, log })).code).toBe(127);
  });

  it('an interrupt ends them with all they started', async () => {
    const children = childProcesses(join(folder, 'children'));
    const pids: number[] = [];
    const running = children.run('sh', ['-c', 'sleep 600 & echo $!; wait'], {
      cwd: folder,
      log: join(folder, 'log'),
      onLine: (line) => pids.push(Number(line)),
    });
    while (pids.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    children.endAll('SIGKILL');
    await running;
    while (startTime(pids[0] ?? 0) !== '') await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it('progress is plain lines, at most one in five seconds', () => {
    const printed: string[] = [];
    let now = 0;
    const phase = progress(
      6,
      (line) => printed.push(line),
      () => now,
    ).phase(2, 'python environment');
    phase.at('0/153 packages');
    now = 1_000;
    phase.at('3/153 packages');
    now = 31_000;
    phase.at('40/153 packages');
    now = 85_400;
    phase.done();
    expect(printed).toEqual([
      '[2/6] python environment ... 0/153 packages, 0 s',
      '[2/6] python environment ... 40/153 packages, 31 s',
      '[2/6] python environment: done, 85 s',
    ]);
  });
});
