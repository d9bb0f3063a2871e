/**
 * Filters are queries over verdicts: planted ones here, on four trajectories of a call and an answer each. What each
 * filter keeps is the same at any time, and every mode makes a batch of exactly that.
 */
import { afterEach, expect, test } from 'vitest';

import { filterVerb } from '../../src/cli/verbs/learning.js';
import type { FilterName, TrainMode } from '../../src/core/learning/cycle.js';
import type { Verdict } from '../../src/core/learning/judging.js';
import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { bench, type Bench, sum, tasks } from '../learner/bench.js';
import { select } from '../learner/counted.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** Of each task whether its call, its answer, and the outcome of both were judged good by a person. */
const PLANTED = {
  'all good': [true, true, true],
  'the answer is unsound and right': [true, false, true],
  'the call is unsound, and the end wrong': [false, true, false],
  'sound steps to a wrong end': [true, true, false],
} as const;
const NAMES = Object.keys(PLANTED) as (keyof typeof PLANTED)[];
const TASKS = NAMES.map((name, at) => sum(name, 11 * (at + 1), 20 + at));

const KEPT: readonly (readonly [FilterName, readonly string[]])[] = [
  ['none', NAMES.flatMap((name) => [`${name} 0`, `${name} 1`])],
  ['process', ['all good 0', 'all good 1', 'sound steps to a wrong end 0', 'sound steps to a wrong end 1']],
  [
    'outcome',
    [...['all good 0', 'all good 1'], ...['the answer is unsound and right 0', 'the answer is unsound and right 1']],
  ],
  ['both', ['all good 0', 'all good 1']],
  [
    'prefix',
    [
      ...['all good 0', 'all good 1'],
      ...['the answer is unsound and right 0', 'the answer is unsound and right 1'],
      'the call is unsound, and the end wrong 0',
      ...['sound steps to a wrong end 0', 'sound steps to a wrong end 1'],
    ],
  ],
];
const MODES = ['resample', 'logged', 'sft'] as const satisfies TrainMode[];
const EVERY = KEPT.flatMap(([filter, kept]) => MODES.map((mode) => [filter, mode, kept] as const));

async function planted(learning: Record<string, unknown> = {}): Promise<Bench> {
  const made = (open = await bench({ config: { learning: { samples: 3, ...learning } } }));
  tasks(made, TASKS);
  await generate(made.learner, TASKS, 1, 0);
  await made.learner.log.flush();
  const steps = made.store.sqlite
    .prepare<[], { id: string; at: 0 | 1; response: string; task: keyof typeof PLANTED }>(
      `SELECT s.id, s.idx AS at, s.response_id AS response, t.task_id AS task
        FROM steps s JOIN trajectories t ON t.id = s.trajectory_id`,
    )
    .all();
  const verdict = (subjectKind: Verdict['subjectKind'], subjectId: string, good: boolean): Verdict => ({
    id: `vrd-${subjectKind}-${subjectId}`,
    ...{ subjectKind, subjectId, judge: 'person', judgeVersion: '1' },
    ...{ score: good ? 1 : 0, good, rationale: '', createdAt: Date.now() },
  });
  const verdicts = steps.flatMap(({ id, at, response, task }) => [
    verdict('step', id, PLANTED[task][at]),
    ...(at === 1 ? [verdict('response', response, PLANTED[task][2])] : []),
  ]);
  await made.learner.rows.verdicts.save({ verdicts, faults: [] });
  return made;
}

const named = (made: Bench, ids: readonly string[]): readonly unknown[] =>
  ids.map((id) =>
    made.store.sqlite
      .prepare<[string]>(
        `SELECT t.task_id || ' ' || s.idx FROM steps s JOIN trajectories t ON t.id = s.trajectory_id WHERE s.id = ?`,
      )
      .pluck()
      .get(id),
  );

test.each(EVERY)(
  '%s in mode %s keeps what its verdicts say, before a cycle and after it',
  async (filter, mode, kept) => {
    const made = await planted({ filter, mode });
    const steps = (): readonly unknown[] =>
      [
        ...named(
          made,
          select(made.store.db, filter, mode).kept.map(({ stepId }) => stepId),
        ),
      ].sort();
    expect(steps()).toEqual([...kept].sort());
    const cycle = await runCycle(made.learner, { heldout: [] });
    expect(cycle.counts['states'], cycle.note).toBe(kept.length);
    expect(steps()).toEqual([...kept].sort());
    const good = kept.filter(
      (name) => PLANTED[name.slice(0, -2) as keyof typeof PLANTED][Number(name.slice(-1)) as 0 | 1],
    );
    // Logged actions are weighed against each other: of nothing but good ones none is better than another.
    const examples = {
      resample: 3 * kept.length,
      logged: good.length === kept.length ? 0 : kept.length,
      sft: good.length,
    };
    expect(cycle.state).toBe(examples[mode] === 0 ? 'skipped' : 'done');
    expect(cycle.counts['examples'] ?? 0).toBe(examples[mode]);
  },
);

test('the verb counts trajectories and steps of each filter, in the mode it is asked for', async () => {
  const made = await planted();
  for (const mode of MODES) {
    let printed: unknown;
    const lines: string[] = [];
    await filterVerb(
      made.learner,
      {
        result: (value, told) => {
          printed = value;
          lines.push(...told);
        },
        progress: () => undefined,
        line: () => undefined,
      },
      mode,
    );
    expect(printed).toMatchObject(
      KEPT.map(([filter, kept]) => ({
        filter,
        mode,
        trajectories: new Set(kept.map((name) => name.slice(0, -2))).size,
        kept: kept.length,
        dropped: kept.length === 8 ? {} : { filtered: 8 - kept.length },
      })),
    );
    expect(lines).toHaveLength(6);
  }
});

test('what a person says later changes what every filter keeps, without anything being asked again', async () => {
  const made = await planted();
  expect(select(made.store.db, 'process', 'resample').kept).toHaveLength(4);
  const requests = made.engine.requests.length;
  const { id } = made.store.sqlite
    .prepare<[string], { id: string }>(
      'SELECT s.id FROM steps s JOIN trajectories t ON t.id = s.trajectory_id WHERE t.task_id = ? AND s.idx = 0',
    )
    .get('all good') as { id: string };
  await made.learner.rows.verdicts.save({
    verdicts: [
      {
        ...{ id: 'vrd-later', subjectKind: 'step', subjectId: id, judge: 'person', judgeVersion: '2' },
        ...{ score: 0, good: false, rationale: 'looked again', createdAt: Date.now() + 1 },
      },
    ],
    faults: [],
  });
  expect(select(made.store.db, 'process', 'resample').kept).toHaveLength(2);
  expect(select(made.store.db, 'both', 'resample').kept).toHaveLength(0);
  expect(made.engine.requests).toHaveLength(requests);
});
