/**
 * What the gateway costs: a bare Hono + undici forwarder and Gyre with its durable log, in interleaved
 * rounds before the same scripted engine. Engine, gateway and load are processes of their own. The
 * forwarder gets what a client would get from vLLM; Gyre gets what it asks for (token ids, logprobs,
 * always a stream), so its extra bytes are part of its cost.
 *
 *   node dist/scripts/bench/gateway.js [--json FILE] [--seconds 8] [--rounds 3] [--only c16-json]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import type { LoadOptions, LoadResult } from './load.js';
import type { Counts, Role } from './roles.js';

interface Case {
  readonly name: string;
  readonly connections: number;
  readonly stream: boolean;
  /** Writes of the engine per streamed reply. */
  readonly writes: number;
}

const CASES: readonly Case[] = [
  { name: 'c1-json', connections: 1, stream: false, writes: 1 },
  { name: 'c16-json', connections: 16, stream: false, writes: 1 },
  { name: 'c1-stream', connections: 1, stream: true, writes: 1 },
  { name: 'c16-stream', connections: 16, stream: true, writes: 1 },
  { name: 'c16-stream-32-writes', connections: 16, stream: true, writes: 32 },
];
const SUBJECTS = ['floor', 'gyre'] as const;
type Subject = (typeof SUBJECTS)[number];

interface Round {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  /** 99th percentile of the time to the first byte. */
  readonly first: number;
  /** CPU of the gateway's process per request, microseconds. */
  readonly cpu: number;
  readonly errors: number;
  readonly successes: number;
  /** Steps logged in the same time: what the load gave up at its end is logged and no success, so never fewer than successes. */
  readonly rows: number | undefined;
}

const { values } = parseArgs({ options: { json: { type: 'string' }, seconds: { type: 'string', default: '8' }, rounds: { type: 'string', default: '3' }, only: { type: 'string' } } });
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
const children = new Set<ChildProcess>();

try {
  const cases: Record<string, unknown>[] = [];
  for (const each of CASES.filter((one) => values.only === undefined || one.name === values.only)) {
    const measured: Record<Subject, Round[]> = { floor: [], gyre: [] };
    for (let round = 0; round < rounds; round += 1) {
      for (const subject of SUBJECTS) {
        const result = await measure(each, subject, round);
        measured[subject].push(result);
        process.stderr.write(`${each.name} ${subject} round ${round + 1}: ${result.rps.toFixed(0)} rps, p50 ${result.p50} ms, p99 ${result.p99} ms, ${result.cpu.toFixed(0)} us CPU, ${result.errors} errors\n`);
      }
    }
    cases.push(summary(each, measured));
  }
  const report = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model, seconds, rounds, cases };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${table(cases)}\n`);
} finally {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true, force: true });
}

/** Fresh processes every round: a mock slows with age, and so would the comparison. */
async function measure(each: Case, subject: Subject, round: number): Promise<Round> {
  const engine = await start('engine', { stream: each.stream, writes: each.writes });
  const data = join(folder, `${each.name}-${round}`);
  const gateway = await start(subject, { engine: engine.url, data });
  const body = JSON.stringify({
    model: subject === 'gyre' ? 'gyre' : 'base',
    messages: [{ role: 'system', content: 'You are a helpful assistant. Answer briefly.' }, { role: 'user', content: 'Request [<id>]: how many days has a leap year?' }],
    ...(each.stream ? { stream: true } : {}),
  });
  await load(gateway.url, body, each.connections, 2); // until the compilers have done their work
  const before = await gateway.counts();
  const result = await load(gateway.url, body, each.connections, seconds);
  const after = await gateway.counts();
  await gateway.stop();
  await engine.stop();
  if (subject === 'gyre') process.stderr.write(`  database ${(statSync(join(data, 'gyre.db')).size / 1024 / 1024).toFixed(1)} MiB\n`);
  return {
    rps: result.successes / result.seconds, p50: rounded(result.p50), p99: rounded(result.p99), first: rounded(result.firstP99),
    cpu: (after.cpuMicros - before.cpuMicros) / Math.max(1, after.answered - before.answered),
    errors: result.errors, successes: result.successes,
    rows: after.rows === undefined ? undefined : after.rows - (before.rows ?? 0),
  };
}

interface Running {
  readonly url: string;
  counts(): Promise<Counts>;
  stop(): Promise<void>;
}

async function start(role: Role, options: Record<string, unknown>): Promise<Running> {
  const child = fork(fileURLToPath(new URL('./roles.js', import.meta.url)), [role, JSON.stringify(options)], { execArgv: profileArgs(role) });
  children.add(child);
  const url = await reply<string>(child);
  return {
    url,
    counts: async () => {
      child.send('counts');
      return reply<Counts>(child);
    },
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.send('stop');
      await gone;
      children.delete(child);
    },
  };
}

/** `GYRE_BENCH_PROFILE=DIR` leaves a CPU profile of every gateway there. */
function profileArgs(role: Role): string[] {
  const dir = process.env['GYRE_BENCH_PROFILE'];
  return dir === undefined || role === 'engine' ? [] : ['--cpu-prof', `--cpu-prof-dir=${dir}`, `--cpu-prof-name=${role}-${Date.now()}.cpuprofile`];
}

function reply<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T));
    child.once('exit', (code) => reject(new Error(`a process of the benchmark ended with ${code}`)));
  });
}

function load(url: string, body: string, connections: number, seconds: number): Promise<LoadResult> {
  const options: LoadOptions = { url, path: '/v1/chat/completions', body, connections, seconds };
  const child = fork(fileURLToPath(new URL('./load.js', import.meta.url)), [JSON.stringify(options)]);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return reply<LoadResult>(child);
}

function summary(each: Case, measured: Record<Subject, Round[]>): Record<string, unknown> {
  const medians = (subject: Subject): Record<string, number> =>
    Object.fromEntries((['rps', 'p50', 'p99', 'first', 'cpu'] as const).map((key) => [key, median(measured[subject].map((round) => round[key]))]));
  const floor = medians('floor');
  const gyre = medians('gyre');
  const missing = measured.gyre.reduce((sum, round) => sum + Math.max(0, round.successes - (round.rows ?? 0)), 0);
  return {
    case: each.name, floor, gyre, ratio: (gyre['rps'] ?? 0) / (floor['rps'] ?? 1),
    successes: measured.gyre.reduce((sum, round) => sum + round.successes, 0), missing_rows: missing,
    errors: [...measured.floor, ...measured.gyre].reduce((sum, round) => sum + round.errors, 0),
    rounds: measured,
  };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}

function table(cases: readonly Record<string, unknown>[]): string {
  const lines = cases.map((each) => {
    const floor = each['floor'] as Record<string, number>;
    const gyre = each['gyre'] as Record<string, number>;
    const cells = [floor, gyre].flatMap((side) => [side['rps']?.toFixed(0), side['p50'], side['p99'], side['first'], side['cpu']?.toFixed(0)]);
    return `| ${[each['case'], ...cells, (each['ratio'] as number).toFixed(2), each['missing_rows'], each['errors']].map(String).join(' | ')} |`;
  });
  const head = ['case', 'floor rps', 'p50 ms', 'p99 ms', 'first p99 ms', 'CPU us', 'gyre rps', 'p50 ms', 'p99 ms', 'first p99 ms', 'CPU us', 'ratio', 'missing rows', 'errors'];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...lines].join('\n');
}
