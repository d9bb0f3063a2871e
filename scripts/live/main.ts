/**
 * `npm run live`: four clients ask a gateway that learns by itself (`--learn on`), for an hour or as long as is said.
 * Then each version that came to serve is asked 400 tasks that neither training nor the gate has seen, beside the
 * version it took the place of. Ends with 1 where a request failed, cycles stopped, or a version was promoted that
 * these tasks call worse.
 *
 *   npm run live -- [--minutes 60] [--seed 1] [--tasks 400] [--out live-report]
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { stringify } from 'yaml';

import type { Task } from '../../src/core/learning/task.js';
import type { CycleView, LearningStatus, ListedVersion } from '../../src/core/learning/views.js';
import { paired, type PairedDifference } from '../../src/promote/interval.js';
import { type Answer, ask } from '../demo/clients.js';
import { family } from '../demo/family.js';
import { addKey, api, type Gateway, startGateway, verb } from '../demo/gateway.js';
import { type User, user, USERS } from './users.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    tasks: { type: 'string', default: '400' },
    out: { type: 'string', default: 'live-report' },
  },
});
const LOOK_MS = 2_000;
/** Minutes without the end of a cycle after which learning counts as stopped. */
const STILL_MINUTES = 15;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const number = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is "${text}"; it must be a number above 0`);
  return value;
};

/** A version in the place of another, by the independent tasks. */
interface Compared extends PairedDifference {
  readonly version: number;
  readonly before: number;
}

async function main(): Promise<void> {
  const [minutes, seed, size] = [
    number('minutes', values.minutes),
    number('seed', values.seed),
    number('tasks', values.tasks),
  ];
  const out = resolve(values.out);
  const data = join(out, 'data');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const tasks = family(seed, { train: 600, gate: 512, numbers: size, patterns: 0 });
  const kind = (name: string): Task[] => tasks.filter(({ metadata }) => metadata['kind'] === name);
  const file = join(out, 'tasks.jsonl');
  writeFileSync(file, [...kind('gate'), ...kind('train')].map((task) => `${JSON.stringify(task)}\n`).join(''));
  const config = join(out, 'gyre.yaml');
  writeFileSync(config, stringify({ learning: { max_states: 32, min_steps: 32, rate: 4e-4, heldout: file } }));
  const folder = ['--data', data, '--config', config];
  await verb(['learn', '--tasks', file, '--cycles', '0', ...folder]);
  const admin = addKey('admin', 'admin', folder);
  const keys = USERS.map((name) => [name, addKey(name, 'client', folder)] as const);

  const start = async (learn: string): Promise<Gateway> => {
    const served = await startGateway(['--port', '0', ...folder, '--learn', learn], (line) => print(`  ${line}`));
    return { ...served, key: admin };
  };
  const gateway = await start('on');
  const questions = kind('train');
  const users = keys.map(([name, key], at) =>
    user(
      name,
      gateway.url,
      key,
      questions.filter((_, place) => place % keys.length === at),
    ),
  );
  try {
    const seen = await watch(gateway, minutes);
    await Promise.all(users.map((each) => each.stop()));
    await gateway.stop();
    const still = await start('off');
    const report = await measured(still, users, kind('numbers'), seen).finally(() => still.stop());
    writeFileSync(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    for (const line of told(report)) print(line);
    process.exitCode = report.wrong.length === 0 ? 0 : 1;
  } finally {
    await Promise.all(users.map((each) => each.stop()));
    await gateway.stop();
  }
}

interface Report {
  readonly minutes: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
  readonly cycles: Readonly<Record<string, number>>;
  readonly versions: number;
  readonly compared: readonly Compared[];
  readonly wrong: readonly string[];
}

interface Seen {
  readonly minutes: number;
  readonly came: readonly { readonly version: number; readonly before: number }[];
  readonly wrong: string[];
}

/** Follows the gateway until the time is over. */
async function watch(gateway: Gateway, minutes: number): Promise<Seen> {
  const began = performance.now();
  const passed = (): number => (performance.now() - began) / 60_000;
  const came: { readonly version: number; readonly before: number }[] = [];
  const [wrong, seen] = [[] as string[], new Set<string>()];
  let [serving, lastEnd] = [0, 0];
  for (let over = false; !over;) {
    over = passed() >= minutes;
    const status = await statusOf(gateway);
    const { last } = status;
    if (last !== null && !seen.has(last.id)) {
      seen.add(last.id);
      lastEnd = passed();
      print(`${passed().toFixed(1)} min: cycle ${last.state}: ${last.note}`);
    }
    if (passed() - lastEnd > STILL_MINUTES) {
      wrong.push(`no cycle ended for ${STILL_MINUTES} minutes: learning waits for ${status.waiting_for}`);
      lastEnd = passed();
    }
    if (status.serving !== serving) {
      came.push({ version: status.serving, before: serving });
      print(`${passed().toFixed(1)} min: version ${status.serving} serves`);
      serving = status.serving;
      lastEnd = passed();
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return { minutes: passed(), came, wrong };
}

/** What came to serve, on a gateway that learns no more: that would take its time, and it of the clients. */
async function measured(
  gateway: Gateway,
  users: readonly User[],
  independent: readonly Task[],
  { minutes, came, wrong }: Seen,
): Promise<Report> {
  const answered = new Map<number, readonly Answer[]>();
  const measure = async (version: number): Promise<readonly Answer[]> => {
    const known = answered.get(version);
    if (known !== undefined) return known;
    const model = version === 0 ? 'gyre@base' : `gyre@${version}`;
    const answers = await ask(gateway, independent, { model, temperature: 0, train: false, width: 16 });
    answered.set(version, answers);
    return answers;
  };
  const compared: Compared[] = [];
  for (const { version, before } of came) {
    const [old, present] = [await measure(before), await measure(version)];
    const difference = paired(old.map(scored), present.map(scored));
    compared.push({ version, before, ...difference });
    print(`version ${version}: ${points(difference)}`);
    if (difference.high < 0) wrong.push(`version ${version} was promoted and is worse: ${points(difference)}`);
  }
  const faults = [
    ...users.flatMap(({ name, served }) => served.faults.map((fault) => `${name}: ${fault}`)),
    ...[...answered.values()].flat().flatMap(({ failed, text }) => (failed ? [`measuring: ${text}`] : [])),
  ];
  if (faults.length > 0) wrong.push(`${faults.length} requests failed, the first: ${faults[0] ?? ''}`);
  const cycles = await api<{ data: CycleView[] }>(gateway, 'GET', '/gyre/v1/cycles?limit=100');
  const counts: Record<string, number> = {};
  for (const { state } of cycles.data) counts[state] = (counts[state] ?? 0) + 1;
  if ((counts['done'] ?? 0) === 0) wrong.push('no cycle trained anything');
  const versions = await api<{ data: ListedVersion[] }>(gateway, 'GET', '/gyre/v1/versions?limit=100');
  return {
    minutes,
    answers: Object.fromEntries(users.map(({ name, served }) => [name, served.answers])),
    faults,
    cycles: counts,
    versions: versions.data.length,
    compared,
    wrong,
  };
}

/** Asked again for a minute: on a busy machine the log may not be readable for some seconds, and says so with a 503. */
async function statusOf(gateway: Gateway): Promise<LearningStatus> {
  for (const until = performance.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, LOOK_MS)))
    try {
      return await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status');
    } catch (fault) {
      if (performance.now() > until) throw fault;
      print(`  the status could not be read: ${fault instanceof Error ? fault.message : String(fault)}`);
    }
}

function scored({ right }: Answer): number {
  return right ? 1 : 0;
}

function points({ difference, low, high, n }: PairedDifference): string {
  const [is, from, to] = [difference, low, high].map((value) => (100 * value).toFixed(1));
  return `${is ?? ''} points to the one before [${from ?? ''}, ${to ?? ''}], ${n} independent tasks`;
}

function told(report: Report): string[] {
  const counted = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  return [
    '',
    `${report.minutes.toFixed(0)} minutes; answers: ${counted(report.answers)}; ${report.faults.length} failed`,
    `cycles: ${counted(report.cycles)}; ${report.versions} versions made, ${report.compared.length} came to serve`,
    ...report.compared.map((each) => `  version ${each.version} after ${each.before}: ${points(each)}`),
    ...report.wrong.map((line) => `wrong: ${line}`),
  ];
}

main().catch((fault: unknown) => {
  process.stderr.write(`live: ${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
});
