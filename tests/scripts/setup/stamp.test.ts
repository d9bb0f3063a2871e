import { existsSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { build, buildScripts } from '../../../scripts/setup/build.mjs';
import { clientsEnvironment } from '../../../scripts/setup/clients.mjs';
import { nodePackages, pythonEnvironment } from '../../../scripts/setup/phases.mjs';
import { pinsOf } from '../../../scripts/setup/pip.mjs';
import { childProcesses } from '../../../scripts/setup/processes.mjs';
import { progress } from '../../../scripts/setup/progress.mjs';
import { hashOf, isCurrent, stamp } from '../../../scripts/setup/stamp.mjs';
import { folder, write } from './folder.js';

describe('stamps', () => {
  it('change with every file they cover, with the facts, and with nothing else', () => {
    write('src/a.ts', 'a');
    write('src/deep/b.ts', 'b');
    write('src/notes.txt', 'x');
    const hash = (): string =>
      hashOf(folder, ['src', 'lock'], ['fact'], (path) => path.endsWith('.ts') || path.endsWith('lock'));
    const first = hash();
    write('src/notes.txt', 'y');
    utimesSync(join(folder, 'src/a.ts'), 1, 1);
    expect(hash()).toBe(first);
    write('src/deep/b.ts', 'c');
    const second = hash();
    expect(second).not.toBe(first);
    write('lock', '');
    expect(hash()).not.toBe(second);
    expect(hashOf(folder, ['src'], ['one'])).not.toBe(hashOf(folder, ['src'], ['two']));
  });

  it('are current only when they say the same', () => {
    const file = join(folder, 'stamp');
    expect(isCurrent(file, 'abc')).toBe(false);
    stamp(file, 'abc');
    expect(isCurrent(file, 'abc')).toBe(true);
    expect(isCurrent(file, 'abd')).toBe(false);
  });

  it('a phase is current from its stamp alone, and not once its inputs change', () => {
    write('package-lock.json', '{"packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}');
    expect(nodePackages(folder).current).toBe(false);
    expect(build(folder).current).toBe(false);
    expect(pythonEnvironment(folder).current).toBe(false);
    write(
      'node_modules/.gyre-stamp',
      hashOf(folder, ['package-lock.json'], [process.versions.modules, process.platform, process.arch]),
    );
    expect(nodePackages(folder).current).toBe(true);
    write('package-lock.json', '{"packages": {"": {}, "node_modules/a": {"version": "1.0.1"}}}');
    expect(nodePackages(folder).current).toBe(false);
  });

  it('test fakes and scripts are compiled apart: a change of them leaves what is installed current', async () => {
    write('src/main.ts', '1');
    write('tests/fakes/engine.ts', '1');
    write('node_modules/typescript/bin/tsc', "require('node:fs').mkdirSync(process.argv.at(-1));");
    write('package.json', '{"type": "commonjs"}');
    const site = { root: folder, children: childProcesses(join(folder, 'children')) };
    const line = progress(
      5,
      () => undefined,
      () => 0,
    ).phase(4, 'build');
    const current = (): boolean[] => [build(folder).current, buildScripts(folder).current];
    await build(folder).make(site, line);
    expect(current()).toEqual([true, false]);
    await buildScripts(folder).make(site, line);
    expect(current()).toEqual([true, true]);
    write('tests/fakes/engine.ts', '2');
    expect(current()).toEqual([true, false]);
    write('src/main.ts', '2');
    expect(current()).toEqual([false, false]);
  });

  it('the Python clients are current by their own lock and in their own place', () => {
    const lock = join('tests', 'clients', 'requirements.lock');
    write(lock, 'openai==1.0.0 \\\n    --hash=sha256:0\n');
    write('.venv-clients/bin/python', '', 0o755);
    expect(clientsEnvironment(folder).current).toBe(false);
    write('.venv-clients/.gyre-stamp', hashOf(folder, [lock], [folder]));
    expect(clientsEnvironment(folder).current).toBe(true);
    rmSync(join(folder, '.venv-clients', 'bin'), { recursive: true });
    expect(clientsEnvironment(folder).current).toBe(false);
    write('.venv-clients/bin/python', '', 0o755);
    write(lock, 'openai==1.0.1 \\\n    --hash=sha256:0\n');
    expect(clientsEnvironment(folder).current).toBe(false);
  });

  it('the Python clients are made anew, and stamped only when they are whole', async () => {
    write(join('tests', 'clients', 'requirements.lock'), 'openai==1.0.0 \\\n    --hash=sha256:0\n');
    write('.venv-clients/left-over', '');
    // An interpreter that makes an environment whose pip fails the first time, as a dropped connection does, and then
    // ends as said.
    const interpreter = write(
      'interpreter',
      `#!/bin/sh\nmkdir -p "$3/bin" && cp ${join(folder, 'pip')} "$3/bin/python"\n`,
      0o755,
    );
    const phase = progress(
      6,
      () => undefined,
      () => 0,
    ).phase(6, 'python clients');
    const make = async (ends: string): Promise<string> => {
      rmSync(join(folder, 'tried'), { force: true });
      write(
        'pip',
        `#!/bin/sh\necho "$@" >> ${join(folder, 'asked')}\n[ -e ${join(folder, 'tried')} ] && exit ` +
          `${ends}\ntouch ${join(folder, 'tried')}\nexit 1\n`,
        0o755,
      );
      return clientsEnvironment(folder)
        .make({ root: folder, children: childProcesses(join(folder, 'children')) }, phase, interpreter)
        .then(
          () => 'made',
          (thrown: unknown) => (thrown as Error).message,
        );
    };
    expect(await make('1')).toMatch(
      /^installing the Python clients failed with code 1 .* run the command again to retry\.$/,
    );
    expect(clientsEnvironment(folder).current).toBe(false);
    expect(await make('0')).toBe('made');
    expect(clientsEnvironment(folder).current).toBe(true);
    expect(existsSync(join(folder, '.venv-clients', 'left-over'))).toBe(false);
    expect(readFileSync(join(folder, 'asked'), 'utf8').split('\n')[0]).toMatch(
      /^-m pip install --progress-bar off --no-deps --require-hashes --only-binary :all: --no-compile -r .*\.lock$/,
    );
  });

  it('the packages of a lock are counted whatever stands behind their names', () => {
    const lock = write('lock', '# a comment\nopenai==1.0.0 \\\n    --hash=sha256:0\nPyYAML==6.0\n');
    expect(pinsOf(lock)).toEqual(['openai==1.0.0', 'PyYAML==6.0']);
  });

  it('an install npm itself finished is taken over, a half one is not', () => {
    write(
      'package-lock.json',
      '{"packages": {"": {}, "node_modules/better-sqlite3": {"version": "1.0.0"}, ' +
        '"node_modules/b": {"version": "2.0.0", "optional": true}}}',
    );
    write('node_modules/.package-lock.json', '{"packages": {"node_modules/better-sqlite3": {"version": "1.0.0"}}}');
    expect(nodePackages(folder).current).toBe(false);
    write('node_modules/better-sqlite3/index.js', 'module.exports = () => undefined;');
    expect(nodePackages(folder).current).toBe(true);
    expect(existsSync(join(folder, 'node_modules', '.gyre-stamp'))).toBe(true);
  });
});
