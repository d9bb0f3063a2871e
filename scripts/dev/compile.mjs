// @ts-check
/**
 * Source to what Node runs, file by file: types are stripped, not checked, so that a change is there in milliseconds.
 * What is made of a file bears its time, so only what changed is done again, also the next time.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

import { hashOf, isCurrent, stamp } from '../setup/stamp.mjs';

/** @typedef {{ changed: boolean, faults: string[] }} Look */

/**
 * @param {typeof import('typescript')} ts
 * @param {string} root
 * @param {string} out
 * @param {string[]} sources Folders and files, relative to the root.
 */
export function compiler(ts, root, out, sources) {
  const said = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8')).config;
  const { options } = ts.convertCompilerOptionsFromJson(said.compilerOptions, root);
  const hash = hashOf(root, ['tsconfig.json'], [ts.version]);
  if (!isCurrent(join(out, '.stamp'), hash)) {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    stamp(join(out, '.stamp'), hash);
  }
  /** @param {string} path */
  const targetOf = (path) => join(out, relative(root, path)).replace(/\.ts$/, '.js');
  /** Those with a fault, which is told once: by when they were changed. @type {Map<string, number>} */
  const told = new Map();

  /** @param {string} path @returns {string[]} What is wrong in it, one line each. */
  const compile = (path) => {
    const target = targetOf(path);
    const { mtime } = statSync(path);
    mkdirSync(dirname(target), { recursive: true });
    if (path.endsWith('.js')) {
      copyFileSync(path, target);
      utimesSync(target, mtime, mtime);
      return [];
    }
    const { outputText, diagnostics = [] } = ts.transpileModule(readFileSync(path, 'utf8'), {
      fileName: path,
      reportDiagnostics: true,
      compilerOptions: {
        ...options,
        // One file alone cannot see the package.json that makes it a module.
        module: ts.ModuleKind.ESNext,
        moduleResolution: ts.ModuleResolutionKind.Bundler,
        sourceMap: false,
        inlineSourceMap: true,
        sourceRoot: pathToFileURL(`${dirname(path)}/`).href,
      },
    });
    if (diagnostics.length === 0) {
      writeFileSync(target, outputText);
      utimesSync(target, mtime, mtime);
    } else told.set(path, Math.floor(mtime.getTime()));
    return diagnostics.map(({ file, start = 0, messageText }) => {
      const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `${relative(root, path)}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  };

  return {
    /** @returns {Look} */
    look() {
      const files = sources.flatMap((source) => filesOf(join(root, source)));
      const targets = new Set(files.map(targetOf));
      const gone = filesOf(out).filter((target) => !targets.has(target));
      for (const target of gone) rmSync(target);
      const fresh = files.filter((path) => ![timeOf(targetOf(path)), told.get(path)].includes(timeOf(path)));
      return { changed: gone.length + fresh.length > 0, faults: fresh.flatMap(compile) };
    },
  };
}

/** Whole milliseconds, as far as every file system keeps them. @param {string} path */
function timeOf(path) {
  return existsSync(path) ? Math.floor(statSync(path).mtimeMs) : undefined;
}

/** @param {string} path @returns {string[]} */
function filesOf(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => {
    const inner = join(path, name);
    return statSync(inner).isDirectory() || /\.(ts|js)$/.test(name) ? filesOf(inner) : [];
  });
}

/** The folder and every folder below it. @param {string} folder @returns {string[]} */
export function foldersOf(folder) {
  const inner = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [folder, ...inner.flatMap(({ name }) => foldersOf(join(folder, name)))];
}
