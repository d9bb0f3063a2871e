import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { flag, listenAddress, preflight, type Machine, type Needs } from '../../../scripts/setup/preflight.mjs';
import { ROOT } from '../../guards/tree.js';
import { folder, write } from './folder.js';

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
      /^the engine and the trainer need 6 GB of memory and this machine has 4\.0 GB: use a larger .*--engine URL\.$/,
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

function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (part: string) => (text += part));
  return () => text;
}
