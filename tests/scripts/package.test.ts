/**
 * What `npm pack` makes, unpacked where there is no checkout: it holds what serving needs and nothing else, and it
 * serves.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

import OpenAI from 'openai';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startEngine, type Engine } from '../fakes/engine.js';
import { ROOT } from '../guards/tree.js';

/** A project of somebody who installed the package. */
let project: string;
let installed: string;
let files: readonly string[];
let dependencies: readonly string[];
let engine: Engine;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'gyre-project-'));
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', project], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  ) as [{ readonly filename: string; readonly files: readonly { readonly path: string }[] }];
  files = packed.files.map(({ path }) => path);
  installed = join(project, 'node_modules', 'gyre');
  mkdirSync(join(project, 'node_modules', '.bin'), { recursive: true });
  mkdirSync(installed);
  execFileSync('tar', ['-xzf', join(project, packed.filename), '-C', installed, '--strip-components=1']);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    readonly bin: { readonly gyre: string };
    readonly dependencies: Readonly<Record<string, string>>;
  };
  // As npm installs it, but without asking a registry: beside it lies what it declares, and nothing else.
  dependencies = Object.keys(manifest.dependencies);
  for (const name of dependencies) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  chmodSync(join(installed, manifest.bin.gyre), 0o755);
  symlinkSync(join(installed, manifest.bin.gyre), join(project, 'node_modules', '.bin', 'gyre'));
  engine = await startEngine({ script: () => ({ text: 'Served from elsewhere.' }) });
});
afterAll(async () => {
  await engine.close();
  rmSync(project, { recursive: true, force: true });
});

const bin = (): string => join(project, 'node_modules', '.bin', 'gyre');
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(['PATH', 'HOME', 'TMPDIR'].map((name) => [name, process.env[name]]));

/** A verb in the project, to its end. A verb that does not end is a failure. */
async function gyre(...args: readonly string[]): Promise<{ code: unknown; out: string; err: string }> {
  const options = { cwd: project, env: environment(), timeout: 30_000 };
  try {
    const { stdout: out, stderr: err } = await promisify(execFile)(bin(), args, options);
    return { code: 0, out, err };
  } catch (thrown) {
    const { code, stdout: out, stderr: err } = thrown as { code: unknown; stdout: string; stderr: string };
    return { code, out, err };
  }
}

describe('the package', () => {
  it('holds the compiled gateway with its tools, the migrations, prompts, the dashboard and the words about it', () => {
    expect(files).toEqual(expect.arrayContaining(['dist/src/main.js', 'dist/tools/calculator/child.js']));
    const others = files.filter((file) => !/^dist\/(src|tools)\/[\w/-]+\.js$/.test(file));
    expect(others.filter((file) => !file.startsWith('migrations/')).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'grafana/gyre.json',
      'package.json',
      'prompts/compare.md',
      'prompts/outcome.md',
      'prompts/process.md',
      'prompts/ranking.md',
      'prompts/reward.md',
    ]);
    const migrations = others.filter((file) => file.startsWith('migrations/'));
    expect(migrations.filter((file) => !/^migrations\/(\d{4}_\w+\.sql|meta\/_journal\.json)$/.test(file))).toEqual([]);
    expect(migrations).toContain('migrations/meta/_journal.json');
  });

  it('has nothing compiled of which there is no source', () => {
    const modules = files.filter((file) => file.startsWith('dist/')).map((file) => file.slice('dist/'.length));
    const orphans = modules.filter(
      (file) => !existsSync(join(ROOT, file)) && !existsSync(join(ROOT, file.replace(/\.js$/, '.ts'))),
    );
    expect(orphans).toEqual([]);
  });

  it('imports itself, what it declares and Node, and nothing else', () => {
    const strays = files
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) => {
        const text = readFileSync(join(installed, file), 'utf8');
        const imported = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
        const started = [...text.matchAll(/new URL\('(\.[^']+)', import\.meta\.url\)/g)].map((match) => match[1] ?? '');
        return [...imported, ...started]
          .filter((name) => {
            if (name.startsWith('.')) return !existsSync(resolve(installed, dirname(file), name));
            const owner = name.split('/', name.startsWith('@') ? 2 : 1).join('/');
            return !isBuiltin(name) && !dependencies.includes(owner);
          })
          .map((name) => `${file} imports ${name}`);
      });
    expect(strays).toEqual([]);
  });

  it('serves before an engine given by address, keeps what was said, and proves it', async () => {
    const child = spawn(bin(), ['serve', '--port', '0', '--engine', engine.url], {
      cwd: project,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'close');
    let [out, err] = ['', ''];
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    const url = await new Promise<string>((found, failed) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const ready = /^ready (\S+)$/m.exec((out += text))?.[1];
        if (ready !== undefined) found(ready);
      });
      void ended.then(() => failed(new Error(`it ended before it was ready: ${err}`)));
    });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 });
    const answered = await client.chat.completions.create({
      model: 'gyre',
      messages: [{ role: 'user', content: 'Where are you?' }],
    });
    expect(answered.choices[0]?.message.content).toBe('Served from elsewhere.');
    const running = await gyre('status');
    child.kill('SIGTERM');
    expect((await ended)[0], err).toBe(0);
    expect(running.out).toContain(`gateway: ${url}`);
    expect((await gyre('export')).out).toContain('Served from elsewhere.');
    expect(await gyre('verify')).toMatchObject({ code: 0, out: expect.stringContaining('the log is whole') as string });
    // And what it says stayed where it was started.
    expect(existsSync(join(project, '.gyre'))).toBe(true);
    expect(existsSync(join(installed, '.gyre'))).toBe(false);
  });

  const SENTENCE =
    'the installed package has no trainer, which is in Python: name a running engine with --engine URL to serve ' +
    'without learning, or learn from a checkout of the repository, where "npm start" sets the trainer up';

  it.each([['serve', '--port', '0'], ['learn']])(
    'without an engine refuses to %s, and opens nothing',
    async (...args) => {
      const data = `unopened-${args[0]}`;
      expect(await gyre(...args, '--data', data)).toEqual({ code: 1, out: '', err: `gyre: ${SENTENCE}\n` });
      expect(existsSync(join(project, data))).toBe(false);
    },
  );

  it('says in its status what learning waits for, and that this cannot come', async () => {
    const { code, out } = await gyre('status');
    expect(code).toBe(0);
    expect(out).toContain(`waiting for: a trainer: ${SENTENCE}\n`);
  });

  it('is ill by its doctor without an engine, and well with one', async () => {
    const ill = await gyre('doctor');
    expect(ill.code).toBe(1);
    expect(ill.out.split('\n').filter((line) => line.startsWith('WRONG'))).toEqual([
      expect.stringMatching(new RegExp(`^WRONG +trainer +${SENTENCE}$`)),
    ]);
    expect((await gyre('doctor', '--engine', engine.url)).out).toMatch(/^ok +engine +/m);
  });
});
