/**
 * What a verb loads: nothing that only another needs. Packages of the old kind are in node's own cache, where they can
 * be counted.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startEngine, type Engine } from '../fakes/engine.js';
import { startServe } from '../fakes/serve.js';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
/** Tells what was loaded on a stream of its own. */
const PROBE =
  `process.on('exit', () => require('node:fs').writeSync(2, '\\nloaded ' + JSON.stringify([...new ` +
  'Set(Object.keys(require.cache).flatMap((file) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(file)?.[1] ?? ' +
  `[]))]) + '\\n'));`;

let folder: string;
let probe: string;
let engine: Engine;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-slim-'));
  probe = join(folder, 'probe.cjs');
  writeFileSync(probe, PROBE);
  engine = await startEngine();
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** By the process and its threads together: each of them tells. */
function loadedIn(said: string): string[] {
  const lists = [...said.matchAll(/^loaded (.*)$/gm)].map((match) => JSON.parse(match[1] ?? '') as string[]);
  if (lists.length === 0) throw new Error(`the probe said nothing: ${said}`);
  return [...new Set(lists.flat())];
}

/** What one verb loads. */
function loaded(...args: readonly string[]): string[] {
  const script =
    `const { spawnSync } = require('node:child_process'); process.stdout.write(spawnSync(process.execPath, ` +
    `${JSON.stringify(['--require', probe, MAIN, ...args])}, { encoding: 'utf8', cwd: ${JSON.stringify(folder)} ` +
    '}).stderr);';
  return loadedIn(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
}

/** What prom-client loads for exemplars, which nobody uses here: interfaces without anything behind them. */
const EXEMPLARS = '@opentelemetry/api';
const watching = (packages: readonly string[]): string[] =>
  packages.filter((name) => /^(@opentelemetry\/|@grpc\/|pino|prom-client)/.test(name) && name !== EXEMPLARS);
const serving = async (env: Readonly<Record<string, string>>): Promise<string[]> => {
  const gateway = await startServe({ engine: engine.url, env, nodeArgs: ['--require', probe] });
  await gateway.stop();
  return loadedIn(gateway.stderr());
};

describe('what is loaded', () => {
  it.each([['--help'], ['status', '--data', 'data'], ['keys', 'list', '--data', 'data'], ['verify', '--data', 'data']])(
    'by gyre %s has nothing of telemetry, logs or metrics',
    (...args) => {
      const packages = loaded(...args);
      expect(packages).toContain('commander');
      expect(watching(packages)).toEqual([]);
    },
  );

  it('by a gateway that logs as text and sends no telemetry is its own metrics alone', async () => {
    expect(watching(await serving({ GYRE_LOG: 'text' }))).toEqual(['prom-client']);
  });

  it('by one that logs as JSON is pino too, and still nothing of telemetry', async () => {
    const packages = watching(await serving({}));
    expect(packages).toContain('pino');
    expect(packages.filter((name) => name.startsWith('@opentelemetry/'))).toEqual([]);
  });

  it('by one with an address is the SDK', async () => {
    expect(
      watching(
        await serving({
          GYRE_LOG: 'text',
          OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
          OTEL_SDK_DISABLED: 'false',
        }),
      ),
    ).toContain('@opentelemetry/sdk-node');
  });
});
