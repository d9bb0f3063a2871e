/** A learning clock for tests: real rows in a temporary folder, the scripted engine, a trainer that trains nothing. */
import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { parseConfig } from '../../src/core/config.js';
import type { Task } from '../../src/core/learning/task.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { adapterName } from '../../src/core/learning/version.js';
import { JUDGES } from '../../src/core/learning/deciding.js';
import { ruleJudges } from '../../src/judge/rules/rules.js';
import type { Bounds, Learner } from '../../src/learner/deps.js';
import { openPolicy } from '../../src/policy/engine/sample.js';
import { learningStore } from '../../src/store/clock/open.js';
import { openStore, type Store } from '../../src/store/file/db.js';
import { saveTasks } from '../../src/store/learning/tasks.js';
import { openLog } from '../../src/store/log/log.js';
import { openTrainer } from '../../src/train/client.js';
import { type Engine, type EngineRequest, type Reply, startEngine } from '../fakes/engine.js';
import { adder } from '../fakes/gateway.js';
import { type FakeTrainer, startTrainer } from '../fakes/trainer.js';

export interface Bench {
  readonly learner: Learner;
  readonly store: Store;
  readonly engine: Engine;
  readonly trainer: FakeTrainer;
  readonly folder: string;
  readonly stopping: AbortController;
  close(): Promise<void>;
}

export const sum = (id: string, a: number, b: number, split: Task['split'] = 'train'): Task => ({
  id,
  messages: [{ role: 'user', content: `What is ${a} plus ${b}?` }],
  reference: String(a + b),
  split,
  tools: ['calculator'],
  metadata: {},
});

const call = (expression: string): NonNullable<Reply['calls']> => [
  { name: 'calculator', arguments: JSON.stringify({ expression }) },
];

/**
 * A policy that calls rightly when one action is drawn, and is right in every second of several; an answer says what
 * the tool told.
 */
export function arithmetic(request: EngineRequest): Reply {
  const { messages } = request.body;
  const last = messages.at(-1);
  const [, a = '0', b = '0'] =
    /(\d+) plus (\d+)/.exec(String(messages.find((message) => message.role === 'user')?.content)) ?? [];
  if (last?.role === 'tool')
    return { variants: [{ text: `The answer is ${String(last.content)}.` }, { text: 'The answer is 1.' }] };
  return { variants: [{ calls: call(`${a}+${b}`) }, { calls: call(`${a}+1`) }, { text: 'I do not know.' }] };
}

export async function bench(
  options: {
    readonly script?: (request: EngineRequest) => Reply;
    readonly config?: Record<string, unknown>;
    readonly folder?: string;
    readonly bounds?: Partial<Bounds>;
  } = {},
): Promise<Bench> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'gyre-learner-'));
  const engine = await startEngine({
    script: options.script ?? arithmetic,
    models: ['base', ...Array.from({ length: 20 }, (_, at) => adapterName(at + 1))],
  });
  const trainer = await startTrainer(engine.url);
  const store = openStore(folder);
  const log = openLog(store);
  const policy = openPolicy({ url: engine.url, timeoutMs: 10_000 });
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const toolbox = new Map([['calculator', adder]]);
  const learner: Learner = {
    rows: learningStore(store.db, GYRE_POLICY),
    dataDir: folder,
    config: parseConfig({ learning: { samples: 3, max_states: 32 }, ...options.config }),
    log,
    policy,
    toolbox,
    prepareTools: () => Promise.resolve(),
    judges: ruleJudges(toolbox),
    declared: JUDGES,
    trainer: openTrainer(trainer.url),
    templateHash: 'sha256:t',
    contextLength: 2048,
    bounds: { leastGroups: 1, ...options.bounds },
    engineModel: adapterName,
    decided: () => Promise.resolve(),
    progress: () => undefined,
    signal: stopping.signal,
  };
  return {
    learner,
    store,
    engine,
    trainer,
    folder,
    stopping,
    async close() {
      await log.flush();
      store.close();
      await policy.close();
      await engine.close();
      await trainer.close();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function tasks(bench: Bench, list: readonly Task[]): readonly Task[] {
  saveTasks(bench.store.db, list);
  return list;
}
