/**
 * The compliance suite of Open Responses (github.com/openresponses/openresponses): its own cases and its own judgement,
 * bundled from the checkout as they lie. It is written for Bun, of which it needs the WebSocket that sends headers.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { WebSocket } from 'undici';

import { startScripted } from './gateway.js';
import type { Case, Suite } from './suite.js';

const CASES = join('src', 'lib', 'compliance-tests.ts');

interface Result {
  readonly id: string;
  readonly status: string;
  readonly errors?: readonly string[];
}
interface Module {
  runAllTests(
    config: Readonly<Record<string, unknown>>,
    onProgress: (result: Result) => void,
    templates: readonly unknown[],
  ): Promise<void>;
  readonly testTemplates: readonly unknown[];
}

export const openResponses: Suite = {
  name: 'Open Responses',
  mark: CASES,
  recognises: (path) => existsSync(join(path, CASES)),
  async run(path) {
    const folder = mkdtempSync(join(tmpdir(), 'gyre-conformance-'));
    const gateway = await startScripted();
    try {
      const { runAllTests, testTemplates } = await load(path, folder);
      const last = new Map<string, Result>();
      const config = {
        baseUrl: `${gateway.url}/v1`,
        apiKey: 'any',
        model: 'gyre',
        authHeaderName: 'Authorization',
        useBearerPrefix: true,
        runtime: 'server',
      };
      await runAllTests(config, (result) => last.set(result.id, result), testTemplates);
      return [...last.values()].map(caseOf);
    } finally {
      await gateway.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function caseOf({ id, status, errors = [] }: Result): Case {
  const known = status === 'passed' ? 'passed' : status === 'skipped' ? 'left out' : 'failed';
  return { name: id, status: known, ...(errors.length === 0 ? {} : { reason: errors.join('; ') }) };
}

/** Its schemas are written for zod 3, which zod 4 still holds. */
async function load(path: string, folder: string): Promise<Module> {
  const zod = createRequire(import.meta.url).resolve('zod/v3');
  const bundled = await build({
    entryPoints: [join(path, CASES)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    alias: { zod },
    logLevel: 'silent',
  });
  const file = join(folder, 'suite.mjs');
  writeFileSync(file, bundled.outputFiles[0]?.text ?? '');
  Object.assign(globalThis, { WebSocket });
  return (await import(pathToFileURL(file).href)) as Module;
}
