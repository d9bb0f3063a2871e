/**
 * What the gateway costs: the engine alone, a bare Hono + undici forwarder, Gyre with its durable log, and other
 * gateways where they are asked for, in interleaved rounds before the same canned engine. Engine, gateway and load are
 * processes of their own. Others get what a client would get from vLLM; Gyre gets what it asks for (token ids,
 * logprobs, always a stream), so its extra bytes are part of its cost.
 *
 *   npm run bench:gateway -- [--json FILE] [--seconds 8] [--rounds 3] [--only c16-json,c16-stream,cancels] [--peers
 *   all|smg,portkey,unlogged] [--before DIR]
 *
 * `--before` measures another checkout of Gyre, whose `build` is there, in the same run: what a change costs.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { cancelsOf, type Cancels } from './gateway/cancels.js';
import { peersIn } from './gateway/peers.js';
import { endAll, load, startRole, usageOf } from './gateway/processes.js';
import { median, question, type Subject } from './gateway/question.js';

interface Case {
  readonly name: string;
  readonly connections: number;
  readonly stream: boolean;
  /** Writes of the engine per streamed reply. */
  readonly writes: number;
}

const CASES: readonly Case[] = [1, 16, 64].flatMap((connections) => [
  { name: `c${connections}-json`, connections, stream: false, writes: 1 },
  { name: `c${connections}-stream`, connections, stream: true, writes: 1 },
  { name: `c${connections}-stream-32-writes`, connections, stream: true, writes: 32 },
]);

interface Named extends Subject {
  readonly name: string;
}

const plain = { model: 'base', headers: () => ({}) };
const OWN: readonly Named[] = [
  {
    ...plain,
    name: 'direct',
    start: (engine) =>
      Promise.resolve({ url: engine, pid: 0, counts: () => Promise.resolve(undefined), stop: () => Promise.resolve() }),
  },
  { ...plain, name: 'floor', start: (engine) => startRole('floor', { engine }) },
  { ...plain, name: 'gyre', model: 'gyre', start: (engine, data) => startRole('gyre', { engine, data }) },
];

interface Round {
  readonly rps: number;
  /** Milliseconds of a whole answer; 99th percentile of the time to its first byte. */
  readonly p50: number;
  readonly p99: number;
  readonly first50: number;
  readonly first99: number;
  /** CPU of the gateway and its children per request, microseconds. */
  readonly cpu: number;
  /** Resident MiB before and after the load. */
  readonly idleMiB: number;
  readonly loadMiB: number;
  readonly errors: number;
  readonly successes: number;
  /** Steps logged in the same time: never fewer than successes. */
  readonly rows: number | undefined;
}

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    peers: { type: 'string', default: '' },
    before: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const only = values.only?.split(',');
const folder = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const named = values.peers.split(',');
const peers = peersIn(root).filter((peer) => named.includes('all') || named.includes(peer.name));
/** Gyre without its log: the difference is what logging costs. */
const UNLOGGED: Named = {
  ...plain,
  name: 'unlogged',
  model: 'gyre',
  start: (engine, data) => startRole('gyre', { engine, data, log: false }),
};
const BEFORE: Named = {
  ...plain,
  name: 'before',
  model: 'gyre',
  start: (engine, data) => {
    const roles = join(resolve(values.before ?? ''), 'build', 'scripts', 'bench', 'gateway', 'roles.js');
    return startRole('gyre', { engine, data: `${data}-before` }, roles);
  },
};
const before = values.before === undefined ? [] : [BEFORE];
const unlogged = named.includes('unlogged') ? [UNLOGGED] : [];
const subjects: readonly Named[] = [
  ...OWN,
  ...before,
  ...unlogged,
  ...peers.map((peer) => ({ ...peer, model: 'base' })),
];

try {
  const cases: Summary[] = [];
  for (const each of CASES.filter((one) => only === undefined || only.includes(one.name))) {
    const measured = new Map<string, Round[]>(subjects.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      // To and fro, so that what comes later in a round is not always the same.
      for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
        const result = await measure(each, subject, round);
        measured.get(subject.name)?.push(result);
        process.stderr.write(
          `${each.name} ${subject.name} round ${round + 1}: ${result.rps.toFixed(0)} rps, p50 ${result.p50} ms, ` +
            `p99 ${result.p99} ms, ${result.cpu.toFixed(0)} us CPU, ${result.errors} errors\n`,
        );
      }
    }
    cases.push(summary(each, measured));
  }
  const cancels: Record<string, Cancels> = {};
  for (const subject of subjects)
    if (only === undefined || only.includes('cancels'))
      cancels[subject.name] = await cancelsOf(subject, join(folder, `cancel-${subject.name}`));
  const report = {
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model,
    seconds,
    rounds,
    versions: Object.fromEntries(peers.map(({ name, version }) => [name, version])),
    cases,
    cancels,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${table(cases, cancels)}\n`);
} finally {
  endAll();
  rmSync(folder, { recursive: true, force: true });
}

/** Fresh processes every round: an engine slows with age, and so would the comparison. */
async function measure(each: Case, subject: Named, round: number): Promise<Round> {
  const engine = await startRole('engine', { stream: each.stream, writes: each.writes });
  const data = join(folder, `${each.name}-${round}`);
  const gateway = await subject.start(engine.url, data);
  const target = {
    url: gateway.url,
    path: '/v1/chat/completions',
    body: question(subject.model, each.stream),
    connections: each.connections,
    headers: subject.headers(engine.url),
  };
  const idle = usageOf(gateway.pid);
  await load({ ...target, seconds: 2 }); // until the compilers have done their work
  const [counted, before] = [await gateway.counts(), usageOf(gateway.pid)];
  const result = await load({ ...target, seconds });
  const loaded = usageOf(gateway.pid).rss;
  const rows = (await gateway.counts())?.rows;
  const after = usageOf(gateway.pid); // with what was left to be committed
  await gateway.stop();
  await engine.stop();
  if (subject.name === 'gyre')
    process.stderr.write(`  database ${(statSync(join(data, 'gyre.db')).size / 1024 / 1024).toFixed(1)} MiB\n`);
  const milli = (value: number): number => Math.round(value * 100) / 100;
  return {
    rps: result.successes / result.seconds,
    p50: milli(result.p50),
    p99: milli(result.p99),
    first50: milli(result.firstP50),
    first99: milli(result.firstP99),
    cpu: (after.cpuMicros - before.cpuMicros) / Math.max(1, result.successes),
    idleMiB: idle.rss / 1024 / 1024,
    loadMiB: loaded / 1024 / 1024,
    errors: result.errors,
    successes: result.successes,
    rows: rows === undefined ? undefined : rows - (counted?.rows ?? 0),
  };
}

type Medians = Record<'rps' | 'p50' | 'p99' | 'first50' | 'first99' | 'cpu' | 'idleMiB' | 'loadMiB', number>;

interface Summary {
  readonly case: string;
  readonly medians: Readonly<Record<string, Medians>>;
  /** Gyre's requests per second to the forwarder's. */
  readonly ratio: number;
  readonly missingRows: number;
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
}

function summary(each: Case, measured: ReadonlyMap<string, readonly Round[]>): Summary {
  const keys = ['rps', 'p50', 'p99', 'first50', 'first99', 'cpu', 'idleMiB', 'loadMiB'] as const;
  const medians = Object.fromEntries(
    [...measured].map(([name, list]) => [
      name,
      Object.fromEntries(keys.map((key) => [key, median(list.map((round) => round[key]))])) as Medians,
    ]),
  );
  return {
    case: each.name,
    medians,
    ratio: (medians['gyre']?.rps ?? 0) / (medians['floor']?.rps ?? 1),
    missingRows: (measured.get('gyre') ?? []).reduce(
      (sum, round) => sum + Math.max(0, round.successes - (round.rows ?? 0)),
      0,
    ),
    rounds: Object.fromEntries(measured),
  };
}

function table(cases: readonly Summary[], cancels: Readonly<Record<string, Cancels>>): string {
  const lines = cases.flatMap(({ case: name, medians, ratio, missingRows, rounds: all }) =>
    Object.entries(medians).map(([subject, m]) => {
      const errors = (all[subject] ?? []).reduce((sum, round) => sum + round.errors, 0);
      const since = medians['before'];
      const change =
        since === undefined
          ? ''
          : `, ${(m.rps / since.rps).toFixed(3)} of the rps and ${(m.cpu / since.cpu).toFixed(3)} of the CPU before`;
      const own = subject === 'gyre' ? `${ratio.toFixed(2)} of the floor, ${missingRows} rows missing${change}` : '';
      const memory = `${m.idleMiB.toFixed(0)} / ${m.loadMiB.toFixed(0)}`;
      const speed = [m.rps.toFixed(0), m.p50, m.p99, m.first50, m.first99, m.cpu.toFixed(0)];
      return `| ${[name, subject, ...speed, memory, errors, own].join(' | ')} |`;
    }),
  );
  const head = [
    'case',
    'gateway',
    'rps',
    'p50 ms',
    'p99 ms',
    'first byte p50',
    'first byte p99',
    'CPU us',
    'MiB idle / load',
    'errors',
    '',
  ];
  const ends = Object.entries(cancels).map(([subject, { stream, whole }]) => `| ${subject} | ${stream} | ${whole} |`);
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...lines,
    ...(ends.length === 0
      ? []
      : ['', '| gateway | cancels that reach the engine: streams | whole answers |', '|---|---|---|', ...ends]),
  ].join('\n');
}
