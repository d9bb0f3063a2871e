/** The built gateway as a child of the test: started on a free port, stopped by signal, nothing else touched. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

export interface Gateway {
  readonly url: string;
  stop(): Promise<number | null>;
}

export async function startGateway(args: readonly string[]): Promise<Gateway> {
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, 'serve', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { GYRE_LOG_LEVEL: 'warn', ...process.env },
  });
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const ready = /^ready (http:\/\/\S+)$/m.exec(said)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code} before it was ready`)));
  });
  return {
    url,
    async stop() {
      if (child.exitCode !== null) return child.exitCode;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      return ((await ended) as [number | null])[0];
    },
  };
}

/** Runs one verb to its end and gives what it printed. */
export async function verb(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`gyre ${args.join(' ')} ended with code ${code}: ${err}`);
  return out;
}
