import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startTime } from '../../scripts/setup/processes.mjs';
import { ROOT } from '../guards/tree.js';

/** A checkout in which npm, python3, pip and tsc are scripts that write down what they were asked. */
let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'gyre-checkout-')));
  cpSync(join(ROOT, 'scripts', 'setup'), join(root, 'scripts', 'setup'), { recursive: true });
  cpSync(join(ROOT, 'scripts', 'start.mjs'), join(root, 'scripts', 'start.mjs'));
  write('package.json', '{"type": "module"}');
  write('package-lock.json', '{"packages": {"": {}, "node_modules/typescript": {"version": "1.0.0"}}}');
  write('src/main.ts', 'one');
  write('trainer/requirements.lock', '# pins\na==1\nb==2\nvllm-cpu==3\n');
  write('trainer/requirements-gpu.lock', 'a==1\nvllm==3\n');
  write('trainer/requirements-torch.lock', 'torch==2\n');
  write('trainer/requirements-torch-cpu.lock', 'torch==2+cpu\n');
  write('trainer/pyproject.toml', 'version = "1"');
  write('trainer/gyre_trainer/weights/convert.py', '1');
  const journal = join(root, 'journal');
  writeFileSync(journal, '');
  write(
    'fake/npm-cli.js',
    `
    const fs = require('node:fs');
    fs.appendFileSync(${JSON.stringify(journal)}, 'npm ' + process.argv.slice(2, 3) + '\\n');
    fs.rmSync('node_modules', { recursive: true, force: true });
    fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
    fs.writeFileSync('node_modules/typescript/bin/tsc', ${JSON.stringify(`
      const fs = require('node:fs');
      const out = process.argv[process.argv.indexOf('--outDir') + 1];
      fs.appendFileSync(${JSON.stringify(journal)}, 'tsc\\n');
      fs.mkdirSync(out + '/src', { recursive: true });
      fs.writeFileSync(out + '/src/main.js', [
        "console.log('ready ' + process.argv.slice(2).join(' '));",
        "process.on('SIGTERM', () => process.exit(9));",
        'setInterval(() => undefined, 1000);',
      ].join(''));
      fs.writeFileSync(out + '/package.json', '{"type": "module"}');
    `)});`,
  );
  write('fake/package.json', '{"type": "commonjs"}');
  const python = `#!/bin/sh
case "$*" in
  *version_info*) echo 3.11;;
  *ensurepip*) ;;
  "-m venv "*) echo "venv" >> ${journal}; mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
  *" pip "*)
    echo "pip $*" | sed 's#${root}/##g' >> ${journal}
    echo "Collecting a"
    if [ -e ${root}/hang ]; then echo $$ > ${root}/hung; exec sleep 600; fi;;
  *" convert "*) echo "convert" >> ${journal}; mkdir -p "$5"; touch "$5/STABLE";;
esac
`;
  write('fake/bin/python3', python, 0o755);
  // Nothing else is on the PATH, so that the machine the tests run on does not show through.
  for (const name of ['sed', 'mkdir', 'cp', 'touch', 'sleep'])
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
      join(root, 'fake', 'bin', name),
    );
  for (const name of ['make', 'g++']) write(`fake/bin/${name}`, '#!/bin/sh\n', 0o755);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text, { mode });
}

interface Run {
  readonly child: ChildProcess;
  /** What it printed so far. */
  said(): string;
  /** Resolves when it printed this. */
  until(text: string): Promise<void>;
  readonly ended: Promise<number | string>;
}

function start(...args: string[]): Run {
  const env = { ...process.env, PATH: join(root, 'fake', 'bin'), npm_execpath: join(root, 'fake', 'npm-cli.js') };
  const child = spawn(process.execPath, [join(root, 'scripts', 'start.mjs'), '--port', '0', ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? '')),
  );
  return {
    child,
    ended,
    said: () => text,
    async until(wanted) {
      let over = false;
      void ended.then(() => (over = true));
      while (!text.includes(wanted)) {
        if (over) throw new Error(`it ended without saying "${wanted}": ${text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

async function stopped(run: Run): Promise<number | string> {
  run.child.kill('SIGTERM');
  return run.ended;
}

const did = (): string[] =>
  readFileSync(join(root, 'journal'), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .sort();
const forget = (): void => writeFileSync(join(root, 'journal'), '');

describe('npm start on a bare machine', () => {
  it('does every phase, says so, and then is the gateway: its arguments, its signals, its exit code', async () => {
    const run = start('--learn', 'on');
    await run.until('ready serve --port 0 --learn on');
    for (const phase of [
      '[1/5] checks: done',
      '[2/5] node packages: done',
      '[3/5] python environment: done',
      '[4/5] build: done',
      '[5/5] model: done',
    ])
      expect(run.said()).toContain(phase);
    expect(did()).toEqual([
      'convert',
      'npm ci',
      'pip -m pip install --progress-bar off --no-deps --no-build-isolation -e trainer',
      'pip -m pip install --progress-bar off --no-deps --require-hashes --only-binary :all: ' +
        '-r trainer/requirements-torch-cpu.lock',
      'pip -m pip install --progress-bar off --no-deps --require-hashes --only-binary :all: ' +
        '-r trainer/requirements.lock',
      'tsc',
      'venv',
    ]);
    expect(await stopped(run)).toBe(9);
    expect(existsSync(join(root, '.gyre', 'setup', 'lock'))).toBe(false);
  });

  it('the second time does nothing and says nothing; a changed input does only its own phase', async () => {
    await stopped(await readied());
    forget();
    const again = await readied();
    expect(again.said()).toBe('ready serve --port 0\n');
    await stopped(again);
    expect(did()).toEqual([]);

    write('src/main.ts', 'two');
    await stopped(await readied());
    expect(did()).toEqual(['tsc']);
    forget();
    write('trainer/pyproject.toml', 'version = "2"');
    await stopped(await readied());
    expect(did()).toEqual(['pip -m pip install --progress-bar off --no-deps --no-build-isolation -e trainer']);
  });

  it('with an engine given by address neither Python nor the model is needed', async () => {
    const run = start('--engine', 'http://127.0.0.1:1');
    await run.until('ready');
    await stopped(run);
    expect(did()).toEqual(['npm ci', 'tsc']);
  });

  it('on a machine with a GPU, vLLM with CUDA takes the place of the CPU build', async () => {
    write('fake/bin/nvidia-smi', '#!/bin/sh\n', 0o755);
    await stopped(await readied());
    expect(did().filter((line) => line.startsWith('pip'))).toEqual([
      'pip -m pip install --progress-bar off --no-deps --no-build-isolation -e trainer',
      'pip -m pip install --progress-bar off --no-deps --require-hashes --only-binary :all: ' +
        '-r trainer/requirements-gpu.lock',
    ]);
  });

  async function readied(): Promise<Run> {
    const run = start();
    await run.until('ready');
    return run;
  }
});

describe('a set-up that is interrupted', () => {
  async function hanging(): Promise<{ readonly run: Run; readonly pip: number }> {
    write('hang', '');
    const run = start();
    // The file is there before its line is.
    const said = (): string => (existsSync(join(root, 'hung')) ? readFileSync(join(root, 'hung'), 'utf8').trim() : '');
    while (said() === '') await new Promise((resolve) => setTimeout(resolve, 20));
    rmSync(join(root, 'hang'));
    return { run, pip: Number(said()) };
  }
  async function gone(pid: number): Promise<void> {
    while (startTime(pid) !== '') await new Promise((resolve) => setTimeout(resolve, 20));
  }

  it('by a signal ends what it started, and the next one finishes the work', async () => {
    const { run, pip } = await hanging();
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(143);
    await gone(pip);
    const next = start();
    await next.until('ready');
    await stopped(next);
    expect(did().filter((line) => line === 'venv')).toHaveLength(2);
  });

  it('by a kill leaves its children on record; the next one ends them and starts that phase from nothing', async () => {
    const { run, pip } = await hanging();
    run.child.kill('SIGKILL');
    await run.ended;
    expect(startTime(pip)).not.toBe('');
    const next = start();
    await next.until('ready');
    await gone(pip);
    await stopped(next);
    expect(did().filter((line) => line === 'venv')).toHaveLength(2);
  });

  it('two at once: the second waits, then finds the work done', async () => {
    const first = start();
    await first.until('[1/5]');
    const second = start();
    await Promise.all([first.until('ready'), second.until('ready')]);
    expect(did().filter((line) => line === 'npm ci')).toHaveLength(1);
    expect(did().filter((line) => line === 'venv')).toHaveLength(1);
    await Promise.all([stopped(first), stopped(second)]);
  });

  it('a failing command is one sentence with its last words and the log, and ends the rest', async () => {
    write('fake/npm-cli.js', "console.error('npm error code E404'); process.exit(1);");
    write('hang', '');
    const run = start();
    expect(await run.ended).toBe(1);
    expect(run.said().trim().split('\n').at(-1)).toMatch(
      /^npm ci failed with code 1 \(npm error code E404\): the whole output is in .*setup-node\.log; run the command/,
    );
  });
});
