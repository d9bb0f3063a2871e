/** What the tests of this checkout exchange with gateways: recorded, and taken apart for whoever judges it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Exchange } from '../../tests/fakes/recording.js';
import type { Case } from './suite.js';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

export type Json = Readonly<Record<string, unknown>>;

/** One value that a client was given. */
export interface Said {
  readonly method: string;
  /** Without the `/v1`. */
  readonly path: string;
  readonly status: number;
  /** A message of a WebSocket has events too; a stream that breaks says an error in place of one. */
  readonly kind: 'answer' | 'event' | 'error';
  readonly value: unknown;
  readonly asked: string;
}

export interface Judged {
  readonly name: string;
  readonly faults: string;
  readonly asked: string;
}

/** `--recorded DIR` keeps the exchanges there, and reads those that are there already. */
export async function recordedBy(more: readonly string[]): Promise<Said[]> {
  const [flag, given] = more;
  const kept = flag === '--recorded' && given !== undefined;
  const folder = kept ? resolve(process.env['INIT_CWD'] ?? '.', given) : mkdtempSync(join(tmpdir(), 'gyre-record-'));
  mkdirSync(folder, { recursive: true });
  try {
    if (filesIn(folder).length === 0) await record(folder);
    return filesIn(folder).flatMap(exchangesOf).flatMap(saidIn);
  } finally {
    if (!kept) rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the tests of the gateway and of the Python clients, and keeps what they exchange. */
async function record(folder: string): Promise<void> {
  const env = { ...process.env, GYRE_RECORD: folder };
  const run = async (command: string, args: readonly string[], cwd: string): Promise<void> => {
    await once(spawn(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] }), 'exit');
  };
  await run(process.execPath, [join('node_modules', 'vitest', 'vitest.mjs'), 'run', '--reporter=dot'], ROOT);
  const python = join(ROOT, '.venv-clients', 'bin', 'python');
  if (existsSync(python)) await run(python, ['-m', 'pytest'], join(ROOT, 'tests', 'clients'));
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(folder, name));

const exchangesOf = (file: string): Exchange[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Exchange);

function saidIn({ method, path, asked, status, type, answer, whole }: Exchange): Said[] {
  const route = path.replace(/^\/v1(?=\/)/, '');
  if (route === path || !whole || answer === '') return [];
  const said = { method, path: route, status, asked };
  if (status >= 400) return [{ ...said, kind: 'error', value: valueOf(answer) }];
  if (!type.includes('event-stream')) return [{ ...said, kind: 'answer', value: valueOf(answer) }];
  return dataOf(answer).map((value) => {
    // On a WebSocket it has the words of a whole answer.
    const broken = 'error' in value && (value['type'] === undefined || method === 'WEBSOCKET');
    return { ...said, kind: broken ? 'error' : 'event', value };
  });
}

/** An answer that is no JSON is its own fault. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function dataOf(stream: string): Json[] {
  return stream.split(/\r?\n\r?\n/).flatMap((event) => {
    const lines = event.split(/\r?\n/);
    // About tools, for a client that asked for them: no chunk.
    if (lines.some((line) => line.startsWith('event: gyre.'))) return [];
    const data = lines
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trim())
      .join('\n');
    return data === '' || data === '[DONE]' ? [] : [JSON.parse(data) as Json];
  });
}

/** What a judge calls a value: by its route, and by its kind where it has more than one. */
export function nameOf({ method, status, kind, value }: Said, route: string): string {
  const type = (value as { type?: unknown } | null)?.type;
  const more =
    kind === 'event'
      ? ` ${typeof type === 'string' ? type : 'chunk'}`
      : status < 400 && kind === 'error'
        ? ' error'
        : '';
  return `${method} ${route} ${status}${more}`;
}

/** By kind of answer: how many there were, and the first of those that do not fit. */
export function casesOf(judged: readonly Judged[]): Case[] {
  return [...grouped(judged)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, all]) => {
      const wrong = all.filter(({ faults }) => faults !== '');
      const [first] = wrong;
      if (first === undefined) return { name, status: 'passed', reason: `${all.length}` };
      const reason = `${wrong.length} of ${all.length}: ${first.faults} (asked: ${first.asked.slice(0, 160)})`;
      return { name, status: 'failed', reason };
    });
}

function grouped(judged: readonly Judged[]): ReadonlyMap<string, readonly Judged[]> {
  const groups = new Map<string, Judged[]>();
  for (const each of judged) {
    const group = groups.get(each.name);
    if (group === undefined) groups.set(each.name, [each]);
    else group.push(each);
  }
  return groups;
}
