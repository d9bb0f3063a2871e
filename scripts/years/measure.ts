/** What an operator and a client notice of a log's size, on the real programs and the log's own functions. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { startEngine } from '../../tests/fakes/engine.js';
import { parseConfig } from '../../src/core/config.js';
import { newId } from '../../src/core/ids.js';
import type { Message } from '../../src/core/message.js';
import { FILTERS } from '../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { ruleOf } from '../../src/filter/filter.js';
import { ruleIn } from '../../src/learner/states.js';
import { learningStatus, statusQuery } from '../../src/learner/status.js';
import { statusFacts } from '../../src/store/clock/status_facts.js';
import { openStore, type Store } from '../../src/store/file/db.js';
import { headVersion } from '../../src/store/learning/decisions.js';
import { messageOf, readChain } from '../../src/store/log/chain.js';
import { openLog } from '../../src/store/log/log.js';
import { verify } from '../../src/store/proof/verify.js';
import { fold } from '../../src/store/states/fold.js';
import { openStates } from '../../src/store/states/open_states.js';
import { reasonsBy } from '../../src/store/states/tally.js';
import { listTrajectories } from '../../src/store/read/listing.js';
import { judging } from './judging.js';

/** What a list asks for by itself. */
const SUMMARY = { view: 'summary', tokens: false } as const;

export interface Measured {
  readonly what: string;
  readonly value: string;
}

export interface MeasureOptions {
  readonly verify: boolean;
  readonly note: (text: string) => void;
}

/** The command line of the same build. */
const MAIN = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'main.js');
const SPLICES = 200;

export async function* measure(data: string, options: MeasureOptions): AsyncGenerator<Measured> {
  const store = openStore(data);
  const count = (table: string): number =>
    store.sqlite.prepare<[], { rows: number }>(`SELECT count(*) AS rows FROM ${table}`).get()?.rows ?? 0;
  const gib = statSync(store.file).size / 1024 ** 3;
  yield { what: 'log', value: `${count('steps')} steps, ${count('trajectories')} trajectories, ${gib.toFixed(2)} GiB` };
  for (const run of ['first', 'again']) yield { what: `gyre serve until it listens, ${run}`, value: await start(data) };
  yield* splices(store);
  yield* judging(store, options.note);
  yield* reads(store);
  if (options.verify) yield proof(store, options);
  store.close();
}

/** From the start of a gateway to its first line, which says that it listens: time, and of it on a processor. */
async function start(data: string): Promise<string> {
  const engine = await startEngine();
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [MAIN, 'serve', '--data', data, '--port', '0', '--engine', engine.url, '--config', '/dev/null'],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, GYRE_LOG_LEVEL: 'error' } },
  );
  let took = '';
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('listening')) continue;
    const stat = readFileSync(`/proc/${child.pid ?? 0}/stat`, 'utf8').split(' ');
    const onProcessor = 10 * (Number(stat[13]) + Number(stat[14]));
    took = `${(performance.now() - began).toFixed(0)} ms (${onProcessor} ms on a processor)`;
    child.kill();
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  await engine.close();
  return took;
}

/** Finding where a conversation goes on that was left at any time. */
function* splices(store: Store): Generator<Measured> {
  const log = openLog(store, { answers: false });
  const newest = store.sqlite.prepare<[], { seq: number }>('SELECT max(seq) AS seq FROM steps').get()?.seq ?? 0;
  const at = store.sqlite.prepare<[number], { keyId: string; clientAt: number; clientTip: string; model: string }>(
    'SELECT s.key_id AS keyId, s.client_at AS clientAt, s.client_tip AS clientTip, t.model FROM steps s ' +
      "JOIN trajectories t ON t.id = s.trajectory_id WHERE s.seq >= ? AND s.calls = '[]' LIMIT 1",
  );
  const bodyOf = store.sqlite.prepare<[number, string], { body: string }>(
    'SELECT body FROM messages WHERE parent = ? AND hash = ?',
  );
  const took: number[] = [];
  let found = 0;
  for (let n = 0; n < SPLICES; n += 1) {
    const step = at.get(Math.floor((newest * (n * 7919)) / (SPLICES * 7919)) + 1);
    const answer = step === undefined ? undefined : bodyOf.get(step.clientAt, step.clientTip);
    const before = step === undefined ? undefined : readChain(store.db, step.clientAt);
    if (step === undefined || answer === undefined || before === undefined) continue;
    const history = [...before.map(({ body }) => messageOf(body)), messageOf(answer.body)];
    const messages: Message[] = [...history, { role: 'user', content: 'And then?' }];
    const began = performance.now();
    const recording = log.open({
      asker: { keyId: step.keyId, consent: true },
      origin: 'live',
      responseId: newId('chatcmpl'),
      requestId: newId('req'),
      model: step.model,
      messages,
      at: Date.now(),
    });
    took.push(performance.now() - began);
    if (recording.continued) found += 1;
  }
  took.sort((a, b) => a - b);
  const quantile = (share: number): string => `${(took[Math.floor(share * (took.length - 1))] ?? NaN).toFixed(2)} ms`;
  yield {
    what: `where a conversation goes on, ${found} of ${took.length} newest`,
    value: `p50 ${quantile(0.5)}, p99 ${quantile(0.99)}, most ${quantile(1)}`,
  };
}

function* reads(store: Store): Generator<Measured> {
  const timed = (what: string, work: () => unknown): Measured => {
    const first = duration(work);
    return { what, value: `${first.toFixed(0)} ms first, ${duration(work).toFixed(0)} ms again` };
  };
  const config = parseConfig({});
  const keyId = store.sqlite.prepare<[], { id: string }>('SELECT id FROM keys LIMIT 1').get()?.id;
  const part = { trainer: true, learn: true };
  const { db } = store;
  const rule = ruleIn(config, headVersion(db, GYRE_POLICY));
  let slices = 0;
  const counting = duration(() => {
    do slices += 1;
    while (fold(db, GYRE_POLICY, rule));
  });
  yield { what: `counting what may be learned from, ${slices} slices`, value: `${(counting / 1000).toFixed(1)} s` };
  yield timed('a look with nothing to do', () => fold(db, GYRE_POLICY, rule));
  const filters = FILTERS.map((filter) => ruleOf(filter, rule.mode, 0));
  yield timed('gyre filter', () => reasonsBy(db, GYRE_POLICY, filters));
  const open = { mode: rule.mode, head: 1e6, reuse: 4, limit: 48, perTrajectory: 2, seed: 'cyc-1' };
  yield timed('states for a cycle', () => openStates(db, GYRE_POLICY, open));
  const status = (of?: string): unknown =>
    learningStatus(statusFacts(db, GYRE_POLICY, statusQuery(config, of)), config, part);
  yield timed('status, everyone', () => status());
  yield timed('list of 20 trajectories, everyone', () => listTrajectories(store.db, { limit: 20 }, { shown: SUMMARY }));
  if (keyId === undefined) return;
  yield timed('status of a key', () => status(keyId));
  yield timed('list of 20 trajectories of a key', () =>
    listTrajectories(store.db, { limit: 20 }, { keyId, shown: SUMMARY }),
  );
}

function proof({ db }: Store, { note }: MeasureOptions): Measured {
  let said = 0;
  let whole = false;
  const took = duration(() => {
    const report = verify(db, ({ table, done, total }) => {
      if (Date.now() - said < 5_000) return;
      said = Date.now();
      note(`verify ${table}: ${done} of ${total}`);
    });
    whole = report.ok;
  });
  return { what: `gyre verify, ${whole ? 'whole' : 'NOT whole'}`, value: `${(took / 1000).toFixed(1)} s` };
}

function duration(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}
