/**
 * Other gateways for the benchmark: fetched on demand, in the versions named here, into a folder that git ignores.
 * None of them is a dependency.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort, startCommand } from './processes.js';
import type { Subject } from './question.js';

export interface Peer extends Omit<Subject, 'model'> {
  readonly name: string;
  readonly version: string;
}

/** `root` is the checkout; peers lie in its `.peers`. */
export function peersIn(root: string): readonly Peer[] {
  const folder = join(root, '.peers');
  const python = (name: string, packages: readonly string[]): string => {
    const home = join(folder, name);
    if (!existsSync(join(home, 'done'))) {
      process.stderr.write(`fetching ${packages.join(' ')}\n`);
      mkdirSync(home, { recursive: true });
      execFileSync('python3', ['-m', 'venv', home]);
      execFileSync(join(home, 'bin', 'pip'), ['install', '-q', ...packages], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      writeFileSync(join(home, 'done'), packages.join('\n'));
    }
    return join(home, 'bin');
  };
  return [
    {
      name: 'portkey',
      version: '1.15.2',
      headers: (engine) => ({
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': `${engine}/v1`,
        authorization: 'Bearer x',
      }),
      async start() {
        const home = join(folder, 'portkey');
        if (!existsSync(join(home, 'node_modules'))) {
          mkdirSync(home, { recursive: true });
          // With the adapter its own range asks for, it answers every stream with 500.
          writeFileSync(
            join(home, 'package.json'),
            JSON.stringify({
              private: true,
              dependencies: { '@portkey-ai/gateway': '1.15.2' },
              overrides: { '@hono/node-server': '1.13.8' },
            }),
          );
          execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], {
            cwd: home,
            stdio: ['ignore', 'ignore', 'inherit'],
          });
        }
        const port = await freePort();
        return startCommand(
          process.execPath,
          [
            join(home, 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js'),
            '--headless',
            `--port=${port}`,
          ],
          { cwd: home, env: {}, port },
        );
      },
    },
    {
      name: 'litellm',
      version: '1.106.2', // never 1.82.7 or 1.82.8: they stole credentials
      headers: () => ({ authorization: 'Bearer x' }),
      async start(engine) {
        const bin = python('litellm', ['litellm[proxy]==1.106.2']);
        const config = join(folder, 'litellm', 'config.yaml');
        writeFileSync(
          config,
          'model_list:\n  - model_name: base\n    litellm_params: {model: openai/base, api_base: ' +
            `"${engine}/v1", api_key: x}\nlitellm_settings: {telemetry: false}\n`,
        );
        const port = await freePort();
        return startCommand(
          join(bin, 'litellm'),
          ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
          { cwd: folder, env: { LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true' }, port },
        );
      },
    },
    {
      name: 'smg',
      version: '1.13.0',
      headers: () => ({}),
      async start(engine) {
        const bin = python('smg', ['smg==1.13.0']);
        const port = await freePort();
        return startCommand(
          join(bin, 'smg'),
          [
            'launch',
            '--host',
            '127.0.0.1',
            '--port',
            String(port),
            '--prometheus-port',
            String(await freePort()),
            '--worker-urls',
            engine,
            '--backend',
            'openai',
            '--policy',
            'round_robin',
            '--disable-health-check',
            '--disable-retries',
            '--disable-circuit-breaker',
            '--log-level',
            'error',
          ],
          { cwd: folder, env: {}, port },
        );
      },
    },
    {
      name: 'agentic-api',
      version: '0.9.0',
      headers: () => ({}),
      async start(engine) {
        const bin = python('agentic-api', ['agentic-api==0.9.0']);
        const port = await freePort();
        return startCommand(
          join(bin, 'agentic-api'),
          ['serve', '--vllm-base-url', engine, '--host', '127.0.0.1', '--port', String(port)],
          { cwd: folder, env: { OPENAI_API_KEY: 'x', RUST_LOG: 'error' }, port },
        );
      },
    },
  ];
}
