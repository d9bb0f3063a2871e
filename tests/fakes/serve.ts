/** `gyre serve` as a child of the test, on a free port before an engine of the test, its two streams kept apart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

export interface Serving {
  readonly url: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Asks it to end; resolves with its exit code. */
  stop(): Promise<number | null>;
}

export interface ServeOptions {
  readonly engine: string;
  /** Any free one without it. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** The configuration file. */
  readonly config?: string | undefined;
}

const inherited = ['PATH', 'HOME', 'TMPDIR'] as const;

/** Resolves when it is ready. Throws what it said when it ends before. */
export async function startServe({
  engine,
  port = 0,
  env = {},
  nodeArgs = [],
  config = '',
}: ServeOptions): Promise<Serving> {
  const data = mkdtempSync(join(tmpdir(), 'gyre-serve-'));
  const file = join(data, 'gyre.yaml');
  if (config !== undefined) writeFileSync(file, config);
  const child = spawn(
    process.execPath,
    [
      '--enable-source-maps',
      ...nodeArgs,
      MAIN,
      'serve',
      ...(config === undefined ? [] : ['--config', file]),
      '--port',
      String(port),
      '--data',
      data,
      '--engine',
      engine,
    ],
    {
      cwd: data,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(inherited.map((name) => [name, process.env[name]])), ...env },
    },
  );
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = once(child, 'close').then(([code]) => {
    rmSync(data, { recursive: true, force: true });
    return code as number | null;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const ready = /^ready (http:\/\/\S+)$/m.exec(out)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    void ended.then((code) => reject(new Error(`ended with ${code}: ${err}`)));
  });
  return {
    url,
    stdout: () => out,
    stderr: () => err,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
