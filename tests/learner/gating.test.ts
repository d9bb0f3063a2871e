/** The gate on one version, with rows in memory and answers by rule. */
import { expect, test } from 'vitest';

import type { Drift } from '../../src/core/judging/drift.js';
import { alarmsOf, type Update } from '../../src/core/learning/alarms.js';
import { parseConfig } from '../../src/core/config.js';
import type { TaskAnswer } from '../../src/core/learning/evaluation.js';
import { type Task, taskSetHash } from '../../src/core/learning/task.js';
import type { UpdateNumbers } from '../../src/core/learning/update.js';
import type { Decision, NewDecision } from '../../src/core/learning/version.js';
import type { ToAnswer } from '../../src/learner/evaluating.js';
import { gate, type Gating, hopelessness } from '../../src/learner/gating.js';
import { recompute } from '../../src/promote/recompute.js';

const SERVING = 3;
const CANDIDATE = 7;

const task = (at: number, metadata: Task['metadata'] = {}): Task => ({
  id: `t${String(at).padStart(4, '0')}`,
  messages: [{ role: 'user', content: `What is ${at}?` }],
  reference: String(at),
  split: 'heldout',
  metadata,
});
const pool = (size: number, metadata?: (at: number) => Task['metadata']): Task[] =>
  Array.from({ length: size }, (_, at) => task(at, metadata?.(at)));

interface Asked extends Gating {
  /** Each time: the version and the number of the task. */
  readonly asked: [version: number, task: number][];
  readonly decisions: Decision[];
  readonly used: string[];
  readonly answers: TaskAnswer[];
}

/** `right`: undefined where no answer comes. `time`: how often the version was asked the task, from 1. */
function gating(
  right: (version: number, task: number, time: number) => boolean | undefined,
  options: {
    config?: Record<string, unknown>;
    serves?: () => number;
    now?: () => number;
    updates?: UpdateNumbers[];
    uses?: [string, number][];
    drifts?: Gating['drifts'];
  } = {},
): Asked {
  const asked: Asked['asked'] = [];
  const [answers, decisions, used]: [TaskAnswer[], Decision[], string[]] = [[], [], []];
  const serves = options.serves ?? ((): number => SERVING);
  const unused = (): never => expect.fail('the gate has no use for it');
  return {
    asked,
    answers,
    decisions,
    used,
    judges: [{ name: 'reference', version: '4', kind: 'rule', judge: unused }],
    config: parseConfig(options.config ?? {}),
    progress: () => undefined,
    signal: new AbortController().signal,
    drifts: options.drifts ?? (() => Promise.resolve([])),
    answer: (list: readonly ToAnswer[]) => {
      const made = list.flatMap(({ task: of, version, as }): TaskAnswer[] => {
        const at = Number(of.id.slice(1));
        asked.push([version, at]);
        const is = right(version, at, asked.filter(([v, t]) => v === version && t === at).length);
        if (is === undefined) return [];
        const [judge, judgeVersion] = ['reference', '4'];
        const [taskHash, score] = [taskSetHash([of]), is ? 1 : 0];
        return [
          {
            ...{ version, taskId: of.id, taskHash, judge, judgeVersion, score },
            ...{ trajectoryId: `traj-${asked.length}`, askedAs: as, createdAt: options.now?.() ?? Date.now() },
          },
        ];
      });
      return Promise.resolve({ answers: made, verdicts: [] });
    },
    rows: {
      versions: {
        serving: () => Promise.resolve(serves()),
        updates: (version) =>
          Promise.resolve((options.updates ?? []).map((numbers, at) => updateOf(version - at, numbers))),
        all: unused,
        head: unused,
        ungated: unused,
        save: unused,
        wayBack: unused,
        waysOn: unused,
        copied: unused,
        removed: unused,
      },
      decisions: {
        newest: (_, version) => Promise.resolve(decisions.filter((decision) => decision.version === version)),
        sincePromotion: () => Promise.resolve(decisions),
        gate: (decision: NewDecision, tasks) => {
          const made: Decision = { id: `dec-${decisions.length}`, createdAt: decisions.length, ...decision };
          decisions.unshift(made);
          used.push(...tasks);
          return Promise.resolve({ gate: made, promoted: decision.passed && decision.against === serves() });
        },
        add: unused,
        promote: unused,
      },
      evaluations: {
        answers: (version, tasks) =>
          Promise.resolve(
            new Map(
              answers
                .filter((answer) => answer.version === version && tasks.some(({ id }) => id === answer.taskId))
                .map((answer) => [answer.taskId, answer]),
            ),
          ),
        save: (list) => Promise.resolve(void answers.push(...list)),
        tested: () =>
          Promise.resolve([
            ...new Set(answers.filter(({ askedAs }) => askedAs === 'candidate').map(({ version }) => version)),
          ]),
        uses: () => Promise.resolve(new Map(options.uses)),
        of: unused,
        close: unused,
        report: unused,
        reports: unused,
      },
      verdicts: {
        save: () => Promise.resolve(),
        of: unused,
        unjudged: unused,
        overheard: unused,
        redecide: unused,
        spent: unused,
        timesSpent: unused,
        unknownJudged: unused,
      },
    },
  };
}

const updateOf = (version: number, numbers: UpdateNumbers): Update => ({ version, numbers, alarms: alarmsOf(numbers) });
const better = (version: number): boolean => version === CANDIDATE;
const of = (made: Asked, version: number): number[] => made.asked.filter(([by]) => by === version).map(([, at]) => at);

test('both are asked the same tasks pair by pair, a step at a time, and no more than it takes', async () => {
  const made = gating(better);
  const { promoted, reason, decision } = await gate(made, CANDIDATE, pool(400));
  expect(promoted).toBe(true);
  expect(reason).toMatch(/^better: 32 of the 32 tasks that changed were won, of 32 asked/);
  expect(of(made, CANDIDATE)).toHaveLength(32);
  expect(made.asked.map(([version]) => version)).toEqual(Array(32).fill([CANDIDATE, SERVING]).flat());
  expect(of(made, CANDIDATE)).toEqual(of(made, SERVING));
  expect(made.used).toHaveLength(32);
  expect(recompute(decision?.numbers ?? {})).toMatchObject({ passed: true, reason, numbers: decision?.numbers });
});

test('a judge that has drifted on what serves holds back a candidate that is better', async () => {
  const drift: Drift = {
    ...{ version: SERVING, judge: 'critic', judgeVersion: '1', measure: 'outcome' },
    ...{ n: 40, value: 0.6, ci95: [0.45, 0.75], bound: 0.3, alarm: true, createdAt: 1 },
  };
  const asked: (readonly number[])[] = [];
  const drifts: Gating['drifts'] = (versions) => {
    asked.push(versions);
    return Promise.resolve([drift, { ...drift, judge: 'other', alarm: false }]);
  };
  const { promoted, reason, decision } = await gate(gating(better, { drifts }), CANDIDATE, pool(400));
  expect(promoted).toBe(false);
  expect(reason).toMatch(/held back by an alarm: drift_outcome \(critic on version 3\)$/);
  expect(decision?.numbers).toMatchObject({ stopped: 'alarm', alarms: ['drift_outcome (critic on version 3)'] });
  expect(asked[0]).toEqual(expect.arrayContaining([SERVING, CANDIDATE]) as number[]);
});

test('what a decision has used comes last, and what rested longest before it', async () => {
  const tasks = pool(300);
  const uses = tasks.slice(0, 290).map(({ id }, at): [string, number] => [id, 1000 - at]);
  const made = gating(better, { uses });
  await gate(made, CANDIDATE, tasks);
  const asked = of(made, CANDIDATE);
  expect(asked.slice(0, 10).sort((a, b) => a - b)).toEqual([290, 291, 292, 293, 294, 295, 296, 297, 298, 299]);
  expect(asked.slice(10)).toEqual(Array.from({ length: 22 }, (_, at) => 289 - at));
});

test('a candidate that brings the engine down on most tasks is not promoted by those it answers', async () => {
  // As it was found: 90 of 104 tasks without an answer, the others right.
  const made = gating((version, at) => (version === CANDIDATE ? (at < 14 ? true : undefined) : at % 4 === 0));
  const { decision, promoted, reason } = await gate(made, CANDIDATE, pool(104));
  expect({ decision, promoted }).toEqual({ decision: undefined, promoted: false });
  expect(reason).toMatch(/^no decision: the candidate answered \d+ of \d+ tasks, and a decision takes 98 % of both$/);
  expect(made.decisions).toEqual([]);
});

test('an outage while the serving version answers promotes nobody', async () => {
  const made = gating((version) => (version === SERVING ? undefined : true));
  const { decision, reason } = await gate(made, CANDIDATE, pool(400));
  expect(decision).toBeUndefined();
  expect(reason).toMatch(/^no decision: the serving version answered 0 of/);
});

test('what was not answered is asked again before there is no decision', async () => {
  const made = gating((version, _, time) => (version === CANDIDATE && time === 1 ? undefined : better(version)));
  const { promoted } = await gate(made, CANDIDATE, pool(60));
  expect(promoted).toBe(true);
  expect(new Set(of(made, SERVING)).size).toBe(of(made, SERVING).length);
  expect(of(made, CANDIDATE)).toHaveLength(2 * of(made, SERVING).length);
});

test('a test that was stopped asks only what is not on record, and is the same candidate', async () => {
  const alike = gating(() => true);
  alike.rows.evaluations.save = (list) => {
    alike.answers.push(...list);
    return Promise.reject(new Error('killed'));
  };
  await expect(gate(alike, CANDIDATE, pool(400))).rejects.toThrow('killed');
  const again = gating(() => true);
  again.answers.push(...alike.answers);
  const { decision } = await gate(again, CANDIDATE, pool(400));
  expect(decision?.numbers).toMatchObject({ candidate_number: 1, tasks: 128, stopped: 'futile' });
  expect(again.asked).toHaveLength(2 * (128 - 32));
});

test('each candidate since the last promotion has less to spend, also after one left without a decision', async () => {
  const made = gating(() => true);
  await gate(made, CANDIDATE, pool(400));
  made.answers.push({ ...(made.answers[0] as TaskAnswer), version: 8, askedAs: 'candidate' });
  const { decision } = await gate(made, 9, pool(400));
  expect(decision?.numbers['candidate_number']).toBe(3);
});

test('an alarm holds back, and a pass against what serves no more promotes nobody', async () => {
  const alarmed = await gate(gating(better, { updates: [{ kl_base: 2 }] }), CANDIDATE, pool(400));
  expect(alarmed).toMatchObject({ promoted: false, decision: { passed: false, numbers: { stopped: 'alarm' } } });
  let asked = 0;
  const late = await gate(gating(better, { serves: () => (asked++ === 0 ? SERVING : 5) }), CANDIDATE, pool(400));
  expect(late).toMatchObject({ promoted: false, decision: { passed: true, against: SERVING } });
  expect(late.reason).toMatch(/not promoted, since version 3 does not serve any more$/);
});

test('what was wrong with an update holds back what was made on it, and is named once', async () => {
  const updates = [{ kl_base: 0.9 }, { kl_base: 1.1 }, { kl_base: 1.2, grad_norm: 500 }];
  const { decision, reason } = await gate(gating(better, { updates }), CANDIDATE, pool(400));
  expect(decision).toMatchObject({ passed: false, numbers: { stopped: 'alarm', alarms: ['kl_base', 'grad_norm'] } });
  expect(reason).toMatch(/held back by an alarm: kl_base, grad_norm$/);
});

test('a question that stands in the list many times is asked once', async () => {
  // One question is newly right, and somebody has copied it in forty spellings; of the others none has changed.
  const copies = Array.from({ length: 40 }, (_, at): Task => ({
    ...task(1000 + at),
    messages: [{ role: 'user', content: `${' '.repeat(at)}WHAT is 7?${'!'.repeat(at)}` }],
  }));
  const made = gating((version, at) => at < 1000 || version === CANDIDATE);
  const { decision, promoted } = await gate(made, CANDIDATE, [
    ...copies,
    ...pool(300).filter(({ id }) => id !== 't0007'),
  ]);
  expect(promoted).toBe(false);
  expect(decision?.numbers).toMatchObject({ asked: { pool: 300, same_question: 39 } });
  expect(decision?.numbers['wins']).toBeLessThanOrEqual(1);
});

test('what serves is not compared by what it answered long before, under who knows which conditions', async () => {
  const hour = 3_600_000;
  const long = gating((version) => version === SERVING, { now: () => Date.now() - hour });
  await gate(long, 6, pool(60));
  // A tool is up again that was down then: both are right now.
  const made = gating(() => true);
  made.answers.push(...long.answers.map((answer) => ({ ...answer, score: 0 })));
  const { promoted, decision } = await gate(made, CANDIDATE, pool(60));
  expect({ promoted, wins: decision?.numbers['wins'] }).toEqual({ promoted: false, wins: 0 });
  expect(of(made, SERVING)).toEqual(of(made, CANDIDATE));
});

test('what was answered just now, or together, is not asked again, however long ago that was', async () => {
  const together = gating(() => true, { now: () => Date.now() - 24 * 3_600_000 });
  await gate(together, CANDIDATE, pool(60));
  const made = gating(() => true);
  made.answers.push(...together.answers);
  await gate(made, CANDIDATE, pool(60));
  expect(made.asked).toEqual([]);
});

test('a guarded family is asked what the test had not asked, and one that lost refuses', async () => {
  const config = { gate: { families: [{ name: 'code', margin: 0.1 }] } };
  const tasks = pool(600, (at) => (at % 2 === 0 ? { family: 'code' } : {}));
  const kept = gating((version, at) => version === CANDIDATE || at % 2 === 0, { config });
  const passed = await gate(kept, CANDIDATE, tasks);
  expect(passed.promoted).toBe(true);
  const [family] = passed.decision?.numbers['families'] as [{ outcomes: [string][]; kept: boolean }];
  const tested = (passed.decision?.numbers['outcomes'] as [string][]).map(([id]) => id);
  expect(family.kept).toBe(true);
  expect(family.outcomes.filter(([id]) => tested.includes(id))).toEqual([]);
  expect(family.outcomes.length + tested.filter((id) => Number(id.slice(1)) % 2 === 0).length).toBe(300);

  const lost = gating((version, at) => (version === CANDIDATE ? at % 2 === 1 || at % 3 > 0 : at % 2 === 0), { config });
  const refused = await gate(lost, CANDIDATE, tasks);
  expect(refused).toMatchObject({ promoted: false, decision: { passed: false, numbers: { stopped: 'family' } } });
  expect(refused.reason).toMatch(/the family "code" may have lost/);
  expect(recompute(refused.decision?.numbers ?? {})).toMatchObject({ passed: false, reason: refused.reason });
});

test('on a small set a guarded family is looked at in what the test was answered', async () => {
  const config = { gate: { families: [{ name: 'code', margin: 0.2 }] } };
  const tasks = pool(150, (at) => (at % 2 === 0 ? { family: 'code' } : {}));
  const made = gating((version, at) => version === CANDIDATE || at % 2 === 0, { config });
  const { decision, promoted } = await gate(made, CANDIDATE, tasks);
  expect(promoted).toBe(true);
  expect(decision?.numbers).toMatchObject({ test: 'sign-ladder/1', families: [{ name: 'code', kept: true }] });
  const [family] = decision?.numbers['families'] as [{ outcomes: [string][] }];
  expect(family.outcomes.length).toBeGreaterThan(30);
  expect(made.asked.length).toBe(2 * (decision?.numbers['tasks'] as number));
  expect(recompute(decision?.numbers ?? {})).toMatchObject({ passed: true });
});

test('tasks without a right answer are not asked, and too few others are said so', async () => {
  const made = gating(better);
  const open = pool(300).map((of, at) => (at < 294 ? { ...of, reference: undefined } : of));
  const { decision, reason } = await gate(made, CANDIDATE, open);
  expect(decision).toBeUndefined();
  expect(reason).toMatch(/^of 6 held-out tasks \d are the gate's own/);
  expect(made.asked).toEqual([]);
});

test('a version is decided about once, and what serves is not tested against itself', async () => {
  const made = gating(better);
  const first = await gate(made, CANDIDATE, pool(400));
  expect(await gate(made, CANDIDATE, pool(400))).toMatchObject({ decision: first.decision, reason: first.reason });
  expect(await gate(made, SERVING, pool(400))).toEqual({ promoted: false, reason: 'it is what serves' });
  expect(made.decisions).toHaveLength(1);
});

test('a head is hopeless once it was refused four times in a row and is worse, or held back whatever it shows', () => {
  const refused = (id: number, difference: number, kind: Decision['kind'] = 'gate', stopped = 'max'): Decision => ({
    ...{ id: `dec-${id}`, kind, version: id, against: SERVING, passed: false, reason: '', createdAt: id },
    numbers: { difference: { difference }, stopped },
  });
  const [worse, level] = [refused(9, -0.1), refused(9, 0)];
  const before = [refused(8, 0), refused(7, 0, 'parity'), refused(7, 0), refused(6, 0)];
  const why = 'version 9 is worse than version 3, and the gate has refused several in a row';
  expect(hopelessness([worse, ...before], worse)).toBe(why);
  expect(hopelessness([level, ...before], level)).toBeUndefined();
  expect(hopelessness([worse, ...before.slice(0, 3)], worse)).toBeUndefined();
  const reset = [refused(8, 0), refused(3, 0, 'head_reset'), ...before];
  expect(hopelessness([worse, ...reset], worse)).toBeUndefined();
  const alarmed = refused(9, 0.2, 'gate', 'alarm');
  expect(hopelessness([alarmed, ...before], alarmed)).toMatch(/^version 9 is held back by an alarm, and the gate has/);
  expect(hopelessness([alarmed, ...before.slice(0, 3)], alarmed)).toBeUndefined();
});
