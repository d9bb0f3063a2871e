import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { childProcesses } from '../../../scripts/setup/processes.mjs';
import { otherPrograms, programs } from '../../../scripts/setup/programs.mjs';
import { progress } from '../../../scripts/setup/progress.mjs';
import { folder, write } from './folder.js';

const FOLDER = join('tests', 'clients', 'programs');
const OTHER = join(FOLDER, 'others', 'agent', 'package.json');

/** An npm that writes down where it was run and with what, makes what it is asked for, and ends as said. */
function npm(ends: number): void {
  write(
    'bin/npm',
    `#!/bin/sh\necho "$PWD $@" >> ${join(folder, 'asked')}\nmkdir -p node_modules/agent\nexit ${ends}\n`,
    0o755,
  );
}

const asked = (): string[] =>
  existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n') : [];

async function make(others: string[]): Promise<string> {
  const line = progress(
    7,
    () => undefined,
    () => 0,
  ).phase(7, 'programs');
  const site = { root: folder, children: childProcesses(join(folder, 'children')) };
  return programs(folder, others)
    .make(site, line, 'no python')
    .then(
      () => 'made',
      (thrown: unknown) => (thrown as Error).message,
    );
}

beforeEach(() => {
  vi.stubEnv('PATH', `${join(folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`);
  npm(0);
});
afterEach(() => vi.unstubAllEnvs());

describe('programs', () => {
  it('are none where a checkout has none', async () => {
    expect(otherPrograms(folder)).toEqual([]);
    expect(programs(folder).current).toBe(true);
    expect(await make([])).toBe('made');
    expect(asked()).toEqual([]);
  });

  it('beside those of `npm test` are what pip or npm can install, and nothing else', () => {
    write(OTHER, '{}');
    write(join(FOLDER, 'others', 'framework.txt'), 'framework==1.0.0\n');
    write(join(FOLDER, 'others', 'notes', 'README.md'), '');
    write(join(FOLDER, 'locked.lock'), '');
    expect(otherPrograms(folder)).toEqual(['framework', 'agent']);
  });

  it('of npm are installed by their lock, and one of the others only when it is asked for', async () => {
    write(join(FOLDER, 'package-lock.json'), '{}');
    write(OTHER, '{"dependencies": {"agent": "1.0.0"}}');
    expect(programs(folder).current).toBe(false);
    expect(await make([])).toBe('made');
    const ci = `${join(folder, FOLDER)} ci --ignore-scripts --no-audit --no-fund`;
    expect(asked()).toEqual([ci]);
    expect([programs(folder).current, programs(folder, ['agent']).current]).toEqual([true, false]);

    expect(await make(['agent'])).toBe('made');
    const place = join(folder, '.gyre', 'clients', 'agent');
    expect(asked()).toEqual([ci, `${place} install --ignore-scripts --no-audit --no-fund`]);
    expect(readFileSync(join(place, 'package.json'), 'utf8')).toBe('{"dependencies": {"agent": "1.0.0"}}');
    expect(programs(folder, ['agent']).current).toBe(true);
    expect(await make(['agent'])).toBe('made');
    expect(asked()).toHaveLength(2);
  });

  it('of npm are made anew when what is pinned changes, and are current only when they are whole', async () => {
    write(OTHER, '{"dependencies": {"agent": "1.0.0"}}');
    await make(['agent']);
    write('.gyre/clients/agent/left-over', '');
    write(OTHER, '{"dependencies": {"agent": "1.0.1"}}');
    expect(programs(folder, ['agent']).current).toBe(false);
    npm(1);
    expect(await make(['agent'])).toMatch(/^installing agent failed with code 1 .* run the command again to retry\.$/);
    expect(existsSync(join(folder, '.gyre', 'clients', 'agent', 'left-over'))).toBe(false);
    expect(programs(folder, ['agent']).current).toBe(false);
    npm(0);
    expect(await make(['agent'])).toBe('made');
    expect(programs(folder, ['agent']).current).toBe(true);
  });
});
