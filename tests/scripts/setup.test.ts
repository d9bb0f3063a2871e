import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { clientsEnvironment } from '../../scripts/setup/clients.mjs';
import { takeLock } from '../../scripts/setup/lock.mjs';
import { pinsOf } from '../../scripts/setup/pip.mjs';
import { build, nodePackages, pythonEnvironment } from '../../scripts/setup/phases.mjs';
import { flag, listenAddress, preflight, type Machine, type Needs } from '../../scripts/setup/preflight.mjs';
import { childProcesses, isAlive, startTime } from '../../scripts/setup/processes.mjs';
import { progress } from '../../scripts/setup/progress.mjs';
import { hashOf, isCurrent, stamp } from '../../scripts/setup/stamp.mjs';
import { ROOT } from '../guards/tree.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string, mode = 0o644): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe('the checks before anything is installed', () => {
  const GB = 1024 ** 3;
  const NOTHING: Needs = { nodePackages: false, python: false, engine: false, listen: undefined };

  /** A machine on which everything is well, but for what is said; its PATH holds only the named programs. */
  function machine(change: Partial<Machine> = {}, programs: Readonly<Record<string, string>> = {}): Machine {
    for (const [name, script] of Object.entries(programs)) write(`bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
    return { node: '20.12.0', memory: 16 * GB, disk: 100 * GB, env: { PATH: join(folder, 'bin') }, ...change };
  }
  const python = (version: string, venv = true): string =>
    `case "$2" in *version_info*) echo ${version};; *) exit ${venv ? 0 : 1};; esac`;

  it.each<[string, Partial<Machine>, Partial<Needs>, Record<string, string>, RegExp]>([
    [
      'an old Node',
      { node: '18.19.1' },
      {},
      {},
      /^Gyre needs Node 20\.12 or newer and this is 18\.19\.1: install Node 20\.12/,
    ],
    [
      'a Node that is a little too old',
      { node: '20.11.1' },
      {},
      {},
      /^Gyre needs Node 20\.12 or newer and this is 20\.11\.1/,
    ],
    [
      'too little memory',
      { memory: 4 * GB },
      { engine: true },
      {},
      /^the engine and the trainer need 6 GB of memory and this machine has 4\.0 GB: use a larger machine, or .*--engine URL\.$/,
    ],
    [
      'too little disk',
      { disk: 5.5 * GB },
      { python: true },
      { python3: 'exit 1' },
      /^the set-up needs 6 GB of free disk space and there are 5\.5 GB: free some/,
    ],
    [
      'too little disk for CUDA',
      { disk: 12 * GB },
      { python: true },
      { python3: 'exit 1', 'nvidia-smi': '' },
      /needs 16 GB of free disk space and there are 12\.0 GB/,
    ],
    [
      'no compiler',
      {},
      { nodePackages: true },
      { make: '' },
      /^there is no C compiler on the PATH, .*build-essential\.$/,
    ],
    ['no make', {}, { nodePackages: true }, { 'g++': '' }, /^there is no make on the PATH/],
    ['neither', {}, { nodePackages: true }, {}, /^there is no C compiler and no make on the PATH/],
    ['no python', {}, { python: true }, {}, /^there is no python3 on the PATH: install Python 3\.11/],
    [
      'an old python',
      {},
      { python: true },
      { python3: python('3.9') },
      /^Gyre needs Python 3\.11, 3\.12 or 3\.13 and python3 is 3\.9: install/,
    ],
    ['a broken python', {}, { python: true }, { python3: 'exit 9' }, /python3 is one that does not start: install/],
    [
      'a python without venv',
      {},
      { python: true },
      { python3: python('3.11', false) },
      /^python3 has no venv module: install it, .*python3\.11-venv\.$/,
    ],
  ])('%s is one sentence that says what to do', async (_, change, needs, programs, sentence) => {
    const fault = await preflight(machine(change, programs), { ...NOTHING, ...needs }).then(
      () => 'no fault',
      (thrown: unknown) => (thrown as Error).message,
    );
    expect(fault).toMatch(sentence);
    expect(fault).not.toContain('\n');
  });

  it('what is installed already is not asked for', async () => {
    expect(await preflight(machine({ disk: GB, memory: GB }), NOTHING)).toBeUndefined();
    expect(await preflight(machine({ disk: GB }), { ...NOTHING, engine: true })).toBeUndefined();
  });

  it('the first Python that serves is taken', async () => {
    const needs = { ...NOTHING, python: true };
    expect(await preflight(machine({}, { python3: python('3.11') }), needs)).toBe('python3');
    expect(await preflight(machine({}, { python3: python('3.14'), 'python3.12': python('3.12') }), needs)).toBe(
      'python3.12',
    );
  });

  it('a taken port is named, with another to try', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const needs = { ...NOTHING, listen: { host: '127.0.0.1', port } };
    await expect(preflight(machine(), needs)).rejects.toThrow(
      `port ${port} on 127.0.0.1 is taken: end what listens there, or choose another ` +
        `with npm start -- --port ${port + 1}.`,
    );
    await new Promise((resolve) => server.close(resolve));
    await expect(preflight(machine(), needs)).resolves.toBeUndefined();
    await expect(preflight(machine(), { ...needs, listen: { host: '127.0.0.1', port: 0 } })).resolves.toBeUndefined();
  });

  it('the port is known from the command line, unless a configuration file may say otherwise', () => {
    expect(listenAddress([], folder)).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(listenAddress(['--port', '81', '--host=0.0.0.0'], folder)).toEqual({ host: '0.0.0.0', port: 81 });
    expect(listenAddress(['--port=x'], folder)).toBeUndefined();
    expect(listenAddress(['--config', 'other.yaml'], folder)).toBeUndefined();
    write('gyre.yaml', 'port: 9');
    expect(listenAddress([], folder)).toBeUndefined();
    expect(listenAddress(['--port', '82'], folder)).toEqual({ host: '127.0.0.1', port: 82 });
    expect(flag(['--data', 'd', '--learn=on'], '--learn')).toBe('on');
  });

  it('npm start with a fault ends with 1 and prints the sentence alone', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const child = spawn(
      process.execPath,
      [join(ROOT, 'scripts', 'start.mjs'), '--engine', 'http://127.0.0.1:1', '--port', String(port)],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const said = collect(child);
    const code = await new Promise((resolve) => child.once('close', resolve));
    await new Promise((resolve) => server.close(resolve));
    expect(code).toBe(1);
    expect(said().trim().split('\n')).toEqual([expect.stringContaining(`port ${port} on 127.0.0.1 is taken`)]);
  });
});

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
      /^-m pip install --progress-bar off --no-deps --require-hashes --no-compile -r .*requirements\.lock$/,
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

function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (part: string) => (text += part));
  return () => text;
}
