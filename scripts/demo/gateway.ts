/** The gateway under demonstration: a child process like any user's, talked to over its own surface only. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

export interface Gateway {
  readonly url: string;
  /** Of whoever asks, where the gateway has keys. */
  readonly key?: string | undefined;
  stop(): Promise<void>;
}

/** Starts `gyre serve` with `args`; resolves when it can answer. `onLine` gets every line it prints until then. */
export async function startGateway(args: readonly string[], onLine: (line: string) => void): Promise<Gateway> {
  const child = spawn(process.execPath, [MAIN, 'serve', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { GYRE_LOG_LEVEL: 'warn', ...process.env },
  });
  endWithUs(child);
  const url = await readyLine(child, onLine);
  return {
    url,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A signal that stops this process stops the gateway first, and is waited for: the gateway has an engine to end. */
function endWithUs(child: ChildProcess): void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const stop = (): void => {
    child.once('exit', () => process.exit(130));
    child.kill('SIGTERM');
  };
  for (const signal of signals) process.on(signal, stop);
  child.once('exit', () => {
    for (const signal of signals) process.off(signal, stop);
  });
}

function readyLine(child: ChildProcess, onLine: (line: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      rest += text;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        const ready = /^ready (http:\/\/\S+)$/.exec(line);
        if (ready?.[1] !== undefined) resolve(ready[1]);
        else onLine(line);
      }
    });
    child.once('exit', (code) => {
      reject(new Error(`the gateway ended with code ${code} before it was ready; its last words are above`));
    });
  });
}

/** Runs one verb to its end. */
export async function verb(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`gyre ${args[0] ?? ''} ended with code ${code}`);
}

/** Makes a key in the data folder that these flags name; the key. */
export function addKey(name: string, role: 'admin' | 'client', folder: readonly string[]): string {
  const args = [MAIN, 'keys', 'add', name, '--role', role, ...folder];
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
}

/** One call of the gateway's own routes. */
export async function api<T>(gateway: Gateway, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      ...(gateway.key === undefined ? {} : { authorization: `Bearer ${gateway.key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}
