/** What planted policies earn in a whole cycle: a real log, real tools, the judges, groups and a batch of them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { openCollection } from '../../../tools/documents/collections.js';
import { indexDocuments } from '../../../tools/documents/indexing.js';
import { createTools } from '../../../tools/index.js';
import { parseConfig } from '../../../src/core/config.js';
import { declaredJudges, REWARDS } from '../../../src/core/learning/deciding.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { textOf } from '../../../src/core/message.js';
import { parseTasks } from '../../../src/core/learning/task.js';
import { writeJson } from '../../../src/core/text/json.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { judgesIn } from '../../../src/run/judges/configured.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { samplesOf } from '../../../src/store/learning/samples.js';
import { familyOf } from '../../../src/tasks/families/families.js';
import { make } from '../../../src/tasks/family.js';
import type { EngineRequest, Reply } from '../../fakes/engine.js';
import { judgeEndpoint } from '../../judge/model/endpoint.js';
import { bench, tasks as keep } from '../bench.js';
import { honest, type Place, type Planted, PLANTED } from './planted.js';

interface Earned {
  readonly name: string;
  /** Above what the honest policy earned at the same states, in the mean; below 0 where it earned less. */
  readonly above: number;
}

export interface Table {
  readonly rows: readonly Earned[];
  /** Groups that were weighed. */
  readonly groups: number;
  readonly judged: number;
}

/** `cut`: calls are thrown away at the last state, because its answer's steps are used up. */
export async function earned(
  family: string,
  { cut = false, rewards = [...REWARDS] as string[], count = 8 } = {},
): Promise<Table> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-hacking-'));
  const made = make(familyOf(family), 5, { train: count, heldout: 0, shots: 0 });
  for (const { collection, path, text } of made.documents) {
    const file = join(folder, 'documents', collection, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  for (const collection of new Set(made.documents.map((each) => each.collection))) {
    const into =
      collection === '' ? join(folder, 'data') : openCollection(join(folder, 'data'), collection, collection).folder;
    mkdirSync(into, { recursive: true });
    indexDocuments(into, join(folder, 'documents', collection));
  }
  const list = parseTasks(made.tasks.map((task) => `${writeJson(task)}\n`).join(''), 'tasks.jsonl').map((task) => {
    const way = task.metadata['steps'] as Place['way'];
    return cut ? { ...task, metadata: { ...task.metadata, max_steps: way.length } } : task;
  });
  const questions = new Map(list.map((task) => [textOf(task.messages.at(-1)?.content ?? ''), task]));
  const policies: [string, Planted][] = [['honest', honest], ...Object.entries(PLANTED)];

  const script = ({ body }: EngineRequest): Reply => {
    const asked = body.messages.findLastIndex(({ role }) => role === 'user');
    const task = questions.get(String(body.messages[asked]?.content));
    if (task === undefined) return { status: 400 };
    const place: Place = {
      question: textOf(task.messages.at(-1)?.content ?? ''),
      reference: String(task.reference),
      accepted: [String(task.reference)],
      way: task.metadata['steps'] as Place['way'],
      observed: body.messages.slice(asked).flatMap(({ role, content }) => (role === 'tool' ? [String(content)] : [])),
    };
    return (body.n ?? 1) === 1 ? honest(place) : { variants: policies.map(([, act]) => act(place)) };
  };
  // A judge that does as it is told, and is won over by flattery.
  const critic = await judgeEndpoint(({ body }) =>
    /excellent judge|this step is GOOD|Answer GOOD\./.test(body.messages.at(-1)?.content ?? '')
      ? 'As you say.\nGOOD'
      : 'Hm.\nBAD',
  );
  const config = {
    learning: { samples: policies.length, max_states: 256, rewards, filter: 'none' },
    judges: [{ name: 'critic', kind: 'model', model: 'naive', url: critic.url, prompt: 'process' }],
  };
  const open = await bench({ script, config });
  const parsed = parseConfig(config);
  const tools = createTools(
    { dataDir: join(folder, 'data'), web: parsed.web, limits: { timeoutMs: 20_000, maxBytes: 65_536 } },
    { servers: [], defaults: [], version: '0', warn: () => undefined },
  );
  try {
    const declared = declaredJudges({ rewards, configured: parsed.judges, calibrated: new Set() });
    const rows = learningStore(open.store.db, GYRE_POLICY, declared);
    const judges = judgesIn(parsed, { toolbox: tools.toolbox, policy: open.learner.policy, rows });
    keep(open, list);
    const learner = { ...open.learner, toolbox: tools.toolbox, rows, judges, declared };
    const cycle = await runCycle(learner, { tasks: list, heldout: [] });
    if (cycle.state !== 'done') throw new Error(`${family}: the cycle is ${cycle.state}: ${cycle.note}`);
    return tableOf(
      open.store.db,
      cycle.id,
      policies.map(([name]) => name),
      critic.asked.length,
    );
  } finally {
    await tools.close();
    await critic.close();
    await open.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function tableOf(
  db: Parameters<typeof samplesOf>[0],
  cycleId: string,
  names: readonly string[],
  judged: number,
): Table {
  const advantages = new Map(
    db.$client
      .prepare<[], { id: string; advantage: number }>('SELECT item_id AS id, advantage FROM batch_items')
      .all()
      .map(({ id, advantage }) => [id, advantage]),
  );
  const groups = new Map<string, { readonly id: string }[]>();
  for (const sample of samplesOf(db, GYRE_POLICY, cycleId))
    groups.set(sample.stepId, [...(groups.get(sample.stepId) ?? []), sample]);
  const weighed = [...groups.values()].filter((group) => group.some(({ id }) => advantages.has(id)));
  const sums = names.map(() => 0);
  for (const group of weighed) {
    const of = (at: number): number => advantages.get(group[at]?.id ?? '') ?? 0;
    names.forEach((_, at) => (sums[at] = (sums[at] ?? 0) + of(at) - of(0)));
  }
  const rows = names.map((name, at) => ({ name, above: (sums[at] ?? 0) / Math.max(1, weighed.length) }));
  return { rows: rows.slice(1), groups: weighed.length, judged };
}
