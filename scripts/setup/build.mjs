// @ts-check
/**
 * What is compiled: `dist`, which is what is installed elsewhere, and `build`, the programs of the checkout (scripts,
 * and the test fakes they stand on) beside a gateway of their own. Whoever needs neither fakes nor scripts makes no
 * `build`.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { failed, logOf } from './command.mjs';
import { hashOf, isCurrent, stamp } from './stamp.mjs';

/** @param {string} root */
export const build = (root) => compilation(root, { out: 'dist', project: 'tsconfig.build.json', inputs: [] });

/** @param {string} root */
export const buildScripts = (root) =>
  compilation(root, {
    out: 'build',
    project: 'tsconfig.scripts.json',
    inputs: ['scripts', join('tests', 'fakes'), join('tests', 'clients', 'gateway.ts')],
  });

/**
 * Compiled beside and renamed, so that it is never half of one build and half of another.
 * @param {string} root
 * @param {{ out: string, project: string, inputs: string[] }} what
 */
function compilation(root, { out, project, inputs }) {
  const hash = hashOf(root, ['package-lock.json', 'tsconfig.json', project, 'src', 'tools', ...inputs], [], (path) =>
    /\.(ts|js|json)$/.test(path),
  );
  const file = join(root, out, '.stamp');
  return {
    current: isCurrent(file, hash),
    /** @param {import('./phases.mjs').Site} site @param {import('./progress.mjs').Phase} phase */
    async make({ children }, phase) {
      const fresh = join(root, 'node_modules', `.gyre-${out}`);
      const old = join(root, 'node_modules', `.gyre-${out}-old`);
      for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
      const log = logOf(root, 'build');
      phase.at('compiling TypeScript');
      const result = await children.run(
        process.execPath,
        [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', project, '--outDir', fresh],
        { cwd: root, log },
      );
      if (result.code !== 0) throw failed('the build', log, result);
      stamp(join(fresh, '.stamp'), hash);
      if (existsSync(join(root, out))) renameSync(join(root, out), old);
      renameSync(fresh, join(root, out));
      rmSync(old, { recursive: true, force: true });
    },
  };
}
