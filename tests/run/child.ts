/** The built command line as a child of the test, with everything it says kept. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

interface Said {
  code: number | null;
  out: string;
  err: string;
}

export interface Child {
  readonly said: Said;
  /** Resolves when it has ended. */
  readonly ended: Promise<Said>;
  /** Resolves to what stands behind `word` on a line of its own; rejects when it ends without saying so. */
  word(word: string): Promise<string>;
  stop(): Promise<Said>;
}

export function gyre(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  expect(existsSync(MAIN), 'run `npm run build` first').toBe(true);
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const said: Said = { code: null, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  const ended = once(child, 'close').then(([code]) => Object.assign(said, { code: code as number | null }));
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    said,
    ended,
    word: (word) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = new RegExp(`^${word} (\\S+)$`, 'm').exec(said.out)?.[1];
          if (found !== undefined) resolve(found);
        };
        look();
        child.stdout.on('data', look);
        void ended.then(() =>
          reject(new Error(`it ended with ${said.code ?? 'a signal'} and never said "${word}": ${said.err}`)),
        );
      }),
    async stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
