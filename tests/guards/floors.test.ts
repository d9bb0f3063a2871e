import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { FILES, read, ROOT } from './tree.js';

/** Folder to floor. A file imports its own folder and strictly lower floors. */
const FLOORS: Readonly<Record<string, number>> = {
  core: 0,
  network: 0.5,
  store: 1,
  policy: 1,
  telemetry: 1,
  tools: 1,
  tasks: 1,
  loop: 2,
  judge: 2,
  filter: 2,
  batch: 2,
  train: 2,
  promote: 2,
  http: 3,
  learner: 3,
  app: 4,
  run: 5,
  cli: 6,
  main: 7,
};

const sources = FILES.filter((file) => /^(src|tools)\/.*\.(ts|js)$/.test(file));

/** `src/http/answering.ts` is in http, `src/app.ts` is app, `tools/x.ts` is in tools. */
function folderOf(file: string): string {
  const parts = file.split('/');
  return parts[0] === 'tools' ? 'tools' : (parts[1] ?? '').replace(/\.ts$/, '');
}

function importsOf(file: string): string[] {
  return ts.preProcessFile(read(file), true, true).importedFiles.map(({ fileName }) => fileName);
}

describe('the floors', () => {
  it('every folder of the source has one', () => {
    expect(sources.filter((file) => FLOORS[folderOf(file)] === undefined)).toEqual([]);
  });

  it('imports go to the own folder or strictly down', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .flatMap((name) => {
          const target = relative(ROOT, resolve(ROOT, dirname(file), name));
          const [from, to] = [folderOf(file), folderOf(target.replace(/\.js$/, '.ts'))];
          const [above, below] = [FLOORS[from] ?? -1, FLOORS[to] ?? 99];
          return from === to || below < above ? [] : [`${file} imports ${target}`];
        }),
    );
    expect(wrong).toEqual([]);
  });

  it('core imports only zod and Node itself', () => {
    const wrong = sources
      .filter((file) => folderOf(file) === 'core')
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && name !== 'zod')
          .map((name) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it('only main.ts, run and cli read the environment', () => {
    const wrong = sources.filter(
      (file) =>
        !['main', 'run', 'cli'].includes(folderOf(file)) &&
        /process\.env\b/.test(read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
    );
    expect(wrong).toEqual([]);
  });

  it('no file is named for being useful', () => {
    // The trainer is a service: its room of that name holds what makes it one.
    const room = /^trainer\/(gyre_trainer|tests)\/service\//;
    const forbidden = /(^|\/)(utils?|helpers?|common|misc|managers?|services?|shared|lib)(\/|\.|_|-)/i;
    const ours = FILES.filter((file) => /^(src|tools|scripts|tests|trainer)\//.test(file));
    expect(ours.filter((file) => forbidden.test(file.replace(room, 'trainer/')))).toEqual([]);
  });
});

describe('the trainer', () => {
  const python = join(ROOT, '.venv', 'bin', 'python');

  it.skipIf(!existsSync(python))('says what it can do without importing torch', () => {
    const program = [
      'import contextlib, io, runpy, sys',
      'sys.argv = ["gyre_trainer", "--help"]',
      'with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):',
      '    runpy.run_module("gyre_trainer", run_name="__main__")',
      'print([name for name in ("torch", "transformers", "peft", "vllm", "numpy", "fastapi") if name in sys.modules])',
    ].join('\n');
    expect(execFileSync(python, ['-c', program], { cwd: join(ROOT, 'trainer'), encoding: 'utf8' }).trim()).toBe('[]');
  });
});
