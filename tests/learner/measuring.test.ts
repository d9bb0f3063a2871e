/** A whole evaluation: with tools and without, once and often, and what its trajectories are like. */
import { afterEach, expect, test } from 'vitest';

import { evaluateVerb } from '../../src/cli/verbs/learning.js';
import { declaredJudges } from '../../src/core/learning/deciding.js';
import type { Judge } from '../../src/core/learning/judging.js';
import type { Task } from '../../src/core/learning/task.js';
import { oneByOne } from '../../src/judge/one_by_one.js';
import { measure } from '../../src/learner/measuring.js';
import type { EngineRequest, Reply } from '../fakes/engine.js';
import { bench, type Bench, sum, tasks } from './bench.js';
import { select } from './counted.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const FOUR = [1, 2, 3, 4].map((at) => sum(`h${at}`, 10 * at, at, 'heldout'));
const GREEDY = { tools: true, temperature: 0, samples: 1 };

/** Of four tasks it calls rightly in two, wrongly in one, and writes its call as text in the fourth. */
function mixed({ body }: EngineRequest): Reply {
  const last = body.messages.at(-1);
  if (last?.role === 'tool') return { text: `The answer is ${String(last.content)}.` };
  const [, a = '0', b = '0'] = /(\d+) plus (\d+)/.exec(String(last?.content)) ?? [];
  if ((body.tools ?? []).length === 0) return { text: a === '10' ? 'It is 11.' : 'I cannot.' };
  if (a === '40') return { text: '<tool_call>{"name": "calculator"' };
  return { calls: [{ name: 'calculator', arguments: JSON.stringify({ expression: `${a}+${a === '30' ? 9 : b}` }) }] };
}

async function start(script: (request: EngineRequest) => Reply = mixed): Promise<Bench> {
  open = await bench({ script });
  tasks(open, FOUR);
  return open;
}

test('it counts answers, steps, calls and tokens, each with an interval', async () => {
  const { learner } = await start();
  const { numbers, setting } = await measure(learner, 0, FOUR, GREEDY);
  expect(setting).toEqual(GREEDY);
  expect(numbers).toMatchObject({
    ...{ tasks: 4, unanswered: 0, passAt: [] },
    right: { mean: 0.5, n: 4 },
    // Of seven steps the markup and the wrong answer are bad; nobody can tell of the wrong call, which is well formed.
    goodTrajectories: { mean: 0.5, n: 4 },
    toolCallRate: { mean: 3 / 7, n: 7 },
    parseFailures: { mean: 1 / 7, n: 7 },
    stepsATrajectory: { mean: 1.75, n: 4 },
  });
  expect(numbers.right.ci95[0]).toBeGreaterThan(0.1);
  expect(numbers.right.ci95[1]).toBeLessThan(0.9);
  expect(numbers.tokensATrajectory.mean).toBeCloseTo(1.75 * numbers.tokensAStep.mean, 6);
  expect(numbers.exactMatch).toBeUndefined();
});

test('without tools none is offered, and no step could have called one', async () => {
  const { learner, engine } = await start();
  const { numbers } = await measure(learner, 0, FOUR, { ...GREEDY, tools: false });
  expect(engine.requests.every(({ body }) => body.tools === undefined)).toBe(true);
  expect(numbers).toMatchObject({ right: { mean: 0.25 }, toolCallRate: { n: 0 }, stepsATrajectory: { mean: 1 } });
});

test('what is not answered is wrong', async () => {
  const { learner } = await start((request) =>
    JSON.stringify(request.body.messages).includes('10 plus') ? { status: 500 } : mixed(request),
  );
  const { numbers } = await measure(learner, 0, FOUR, GREEDY);
  expect(numbers).toMatchObject({ unanswered: 1, right: { mean: 0.25, n: 4 } });
});

test('of several answers pass@k is told, over the tasks', async () => {
  const asked = new Map<string, number>();
  const { learner, engine } = await start((request) => {
    const last = request.body.messages.at(-1);
    const question = String(last?.content);
    const before = asked.get(question) ?? 0;
    asked.set(question, before + 1);
    const [, a = 0, b = 0] = /(\d+) plus (\d+)/.exec(question) ?? [];
    // Of the first task one of four answers is right, of the second two, of the others none.
    const right = new Map([
      ['10', 1],
      ['20', 2],
    ]);
    return { text: before < (right.get(String(a)) ?? 0) ? `It is ${Number(a) + Number(b)}.` : 'It is 7.' };
  });
  const { numbers } = await measure(learner, 0, FOUR, { tools: false, temperature: 0.7, samples: 4 });
  expect(engine.requests).toHaveLength(16);
  expect(engine.requests[0]?.body['temperature']).toBe(0.7);
  expect(numbers.right.mean).toBeCloseTo((0.25 + 0.5) / 4);
  expect(numbers.passAt.map(({ k, mean }) => [k, mean])).toEqual([
    [2, expect.closeTo((0.5 + 5 / 6) / 4, 9)],
    [4, expect.closeTo(0.5, 9)],
  ]);
});

test('of sets that count words, exact match and F1 are told; of others they are not', async () => {
  const words: Task[] = [
    { ...sum('w1', 1, 2, 'heldout'), reference: 'Bergen', metadata: { family: 'hotpotqa' } },
    { ...sum('w2', 3, 4, 'heldout'), reference: 'Port Mora', metadata: { family: 'hotpotqa' } },
    sum('n', 5, 6, 'heldout'),
  ];
  const { learner } = await start((request) => ({
    text: JSON.stringify(request.body.messages).includes('1 plus') ? 'Bergen' : 'the Mora river',
  }));
  const { numbers } = await measure(learner, 0, words, { ...GREEDY, tools: false });
  expect(numbers.exactMatch).toMatchObject({ mean: 0.5, n: 2 });
  expect(numbers.f1).toMatchObject({ mean: 0.75, n: 2 });
});

test('a judge of steps that is no rule says how many are sound', async () => {
  const made = await start();
  const critic: Judge = {
    ...{ name: 'critic', version: '1', kind: 'model' },
    judge: oneByOne(({ calls }) => ({ kind: 'verdict', score: 1, good: calls.length > 0, rationale: '' })),
  };
  const declared = declaredJudges({ rewards: ['person', 'reference'], configured: [critic], calibrated: new Set() });
  const learner = { ...made.learner, judges: [...made.learner.judges, critic], declared };
  const { numbers } = await measure(learner, 0, FOUR, GREEDY);
  expect(numbers.processLabels).toMatchObject({ critic: { mean: 3 / 7, n: 7 } });
});

test('each way of asking is a row, the verb shows all of them, and nothing of it is learned from', async () => {
  const { learner, store } = await start();
  let printed: unknown;
  const lines: string[] = [];
  await evaluateVerb(
    learner,
    FOUR,
    'gyre@base',
    {
      result: (value, told) => {
        printed = JSON.parse(JSON.stringify(value));
        lines.push(...told);
      },
      progress: () => undefined,
      line: () => undefined,
    },
    { full: true, samples: 2 },
  );
  expect(printed).toMatchObject({
    accuracy: 0.5,
    reports: [
      { setting: { tools: true, temperature: 0, samples: 1 }, right: { mean: 0.5 }, pass_at: [] },
      { setting: { tools: false, temperature: 0, samples: 1 }, right: { mean: 0.25 } },
      { setting: { tools: true, temperature: 0.7, samples: 2 }, pass_at: [{ k: 2 }] },
      { setting: { tools: false, temperature: 0.7, samples: 2 } },
    ],
  });
  expect(lines.some((line) => line.startsWith('right') && line.includes('0.500 ['))).toBe(true);
  const rows = await learner.rows.evaluations.reports(10, 0);
  expect(rows).toHaveLength(4);
  expect(rows.map(({ setting }) => setting.samples)).toEqual([2, 2, 1, 1]);
  expect(await learner.rows.evaluations.reports(10, 1)).toEqual([]);
  expect(select(store.db, 'none', 'resample').kept).toEqual([]);
});
