/** The gate on held-out conversations: real rows, a scripted engine with two versions, a judge by rule. */
import { afterEach, expect, test } from 'vitest';

import type { LiveJudge, Preference } from '../../../src/core/judging/live.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { answerTo } from '../../../src/learner/live/answering.js';
import { compareLive, type Comparing } from '../../../src/learner/live/comparing.js';
import { recompute } from '../../../src/promote/recompute.js';
import { judgeFacts } from '../../../src/store/judges/facts.js';
import { decisionsOf, servingVersion } from '../../../src/store/learning/decisions.js';
import { holdOutLive } from '../../../src/store/learning/held_out.js';
import { spentOf } from '../../../src/store/learning/verdicts.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../bench.js';
import { converse, count, honest, judgeBy, questions, UNCALIBRATED } from './traffic.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

type Script = NonNullable<NonNullable<Parameters<typeof bench>[0]>['script']>;

/** Version 1 says `better` instead of what the base says. */
const saying =
  (better: string, base = 'plain'): Script =>
  ({ body }) => ({ text: body.model === 'base' ? base : better });

async function started(script: Script, config: Record<string, unknown> = {}): Promise<Bench> {
  const made = (open = await bench({ script, config }));
  holdOutLive(made.store.db, 1);
  return made;
}

function comparing(made: Bench, live: LiveJudge): Comparing {
  const { rows, config, progress, signal } = made.learner;
  const answer: Comparing['answer'] = (state, version) => answerTo(made.learner, state, version);
  return { rows, config, progress, signal, live, answer, drifts: () => Promise.resolve([]) };
}

test('a version whose answers are better is promoted, and the row has all it takes to come to it again', async () => {
  const made = await started(saying('good'));
  await converse(made, questions(130));
  const judge = judgeBy((first) => (first === 'good' ? 'first' : 'second'));
  const gated = await compareLive(comparing(made, judge), 1);
  expect(gated).toMatchObject({ promoted: true, decision: { kind: 'gate', passed: true, against: 0 } });
  expect(gated.reason).toMatch(/^better: in 32 of 32 held-out conversations/);
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(1);
  const numbers = gated.decision?.numbers ?? {};
  expect(numbers).toMatchObject({
    test: 'live-e/1',
    live: { by: 'pairs', seen: 0.8, right: 0.9, wrong: 0.1, gold_pairs: 100 },
    asked: { conversations: 130, judge: 'critic@c1', compared_by: 'pairs' },
  });
  expect(recompute(numbers)).toMatchObject({ decided: true, passed: true, reason: gated.reason, numbers });
  // Each pair in both orders, and nothing that says whose an answer is.
  expect(judge.shown).toHaveLength(64);
  expect(judge.shown.filter(({ first }) => first === 'good')).toHaveLength(32);
  // Neither version's answer is kept.
  const texts = made.store.sqlite.prepare("SELECT count(*) AS n FROM messages WHERE body LIKE '%good%'").get();
  expect(texts).toEqual({ n: 0 });
});

test('a conversation is used for one decision, whatever its copies are', async () => {
  const made = await started(saying('good'));
  await converse(made, [...questions(130), ...questions(130).map((question) => question.toUpperCase())]);
  expect(await made.learner.rows.live.states(0)).toHaveLength(130);
  await compareLive(comparing(made, honest), 1);
  count(made);
  expect(await made.learner.rows.live.states(0)).toHaveLength(98);
  await converse(made, questions(130).slice(0, 20));
  expect(await made.learner.rows.live.states(0)).toHaveLength(98);
  expect((await compareLive(comparing(made, honest), 2)).reason).toMatch(/^98 held-out conversations .* 128 at least$/);
});

test.each<[string, Script, (first: string, second: string) => Preference, number]>([
  ['goes by the place', saying('good'), () => 'first', 256],
  ['is never asked, since both say the same', saying('plain'), () => 'first', 0],
  ['cannot tell', saying('good'), () => 'tie', 256],
])('a judge that %s promotes nobody', async (_, script, word, asked) => {
  const made = await started(script);
  await converse(made, questions(130));
  const judge = judgeBy(word);
  const gated = await compareLive(comparing(made, judge), 1);
  expect(gated).toMatchObject({ promoted: false, decision: { passed: false, numbers: { wins: 0, losses: 0 } } });
  expect(judge.shown).toHaveLength(asked);
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(0);
});

test('a judge without a calibration decides nothing, and is not asked', async () => {
  const made = await started(saying('good'));
  await converse(made, questions(130));
  const judge = { ...judgeBy(() => 'first'), chosen: () => Promise.resolve(UNCALIBRATED) };
  const gated = await compareLive(comparing(made, judge), 1);
  expect(gated).toEqual({ promoted: false, reason: UNCALIBRATED });
  expect(judge.shown).toEqual([]);
});

test('while the judge is away nothing is decided, and what it has said is not asked again', async () => {
  const made = await started(saying('good'));
  await converse(made, questions(130));
  let left = 40;
  const leaving = judgeBy(() => (left-- > 0 ? 'tie' : undefined));
  const gated = await compareLive(comparing(made, leaving), 1);
  expect(gated.decision).toBeUndefined();
  expect(gated.reason).toMatch(/^no decision: the candidate answered \d+ of/);
  const known = await made.learner.rows.live.compared({ candidate: 1, serving: 0 }, { name: 'critic', version: 'c1' });
  expect(known.size).toBeGreaterThan(0);
  const back = judgeBy(() => 'tie');
  expect(await compareLive(comparing(made, back), 1)).toMatchObject({ decision: { passed: false } });
  expect(back.shown.length).toBe(2 * (128 - known.size));
});

test('what a comparison took counts, also where only one of its two orders was answered', async () => {
  const made = await started(saying('good'));
  await converse(made, questions(130));
  const halves = judgeBy((first) => (first === 'good' ? 'first' : undefined));
  await compareLive(comparing(made, halves), 1);
  const critic = (): unknown => judgeFacts(made.store.db).counts.find(({ judge }) => judge === 'critic');
  const answered = halves.shown.filter(({ first }) => first === 'good').length;
  const took = { promptTokens: 10 * answered, completionTokens: answered, money: answered / 2, today: 11 * answered };
  expect(critic()).toMatchObject(took);
  const whole = judgeBy(() => 'tie');
  await compareLive(comparing(made, whole), 1);
  const all = answered + whole.shown.length;
  expect(critic()).toMatchObject({ promptTokens: 10 * all, completionTokens: all, ms: all, today: 11 * all });
  expect(spentOf(made.store.db, 'critic', 0)).toBe(11 * all);
});

test('a candidate that does not answer has lost, and with too many of these there is no decision', async () => {
  const made = await started(({ body }) => (body.model === 'base' ? { text: 'plain' } : { status: 400 }));
  await converse(made, questions(130));
  const gated = await compareLive(comparing(made, honest), 1);
  expect(gated.decision).toBeUndefined();
  expect(gated.reason).toMatch(/^no decision: the candidate answered 0 of/);
});

test('what a client withdraws or deletes is not asked, and how it compared goes with it', async () => {
  const made = await started(saying('good'));
  await converse(made, questions(130));
  const [state] = await made.learner.rows.live.states(0);
  await compareLive(
    comparing(
      made,
      judgeBy(() => 'tie'),
    ),
    1,
  );
  const kept = (): number =>
    (made.store.sqlite.prepare('SELECT count(*) AS n FROM live_comparisons').get() as { n: number }).n;
  expect(kept()).toBe(128);
  removeTrajectory(made.store.db, GYRE_POLICY, state?.trajectoryId ?? expect.fail('no state'));
  expect(kept()).toBe(127);
});

test('tools that are pure are run, and others are left to the client', async () => {
  const made = await started(arithmetic);
  await converse(made, ['What is 2 plus 3?']);
  const { id } = made.store.sqlite.prepare('SELECT id FROM steps WHERE idx = 0').get() as { id: string };
  const logged = (await made.learner.rows.steps.states([id])).get(id) ?? expect.fail('no step');
  const answer = await answerTo(made.learner, logged, 0);
  expect(answer?.said).toBe('The answer is 5.');
  // The step it ended with, in the state that its call has led to.
  expect(answer?.last).toMatchObject({ text: 'The answer is 5.', calls: [], index: 1 });
  expect(answer?.last.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
  const impure = new Map([...made.learner.toolbox].map(([name, tool]) => [name, { ...tool, pure: false }]));
  const called = await answerTo({ ...made.learner, toolbox: impure }, logged, 0);
  expect(called?.said).toBe('call calculator {"expression":"2+3"}');
  expect(called?.last).toMatchObject({ text: '', calls: [{ name: 'calculator', arguments: '{"expression":"2+3"}' }] });
});

test('a cycle gates by comparison where there are no held-out tasks', async () => {
  const made = await started(
    (request) => {
      const greedy = request.body['temperature'] === 0;
      return greedy ? { text: request.body.model === 'base' ? 'plain' : 'good' } : arithmetic(request);
    },
    { gate: { margin: 0.05 } },
  );
  const TRAIN = [sum('a', 11, 22), sum('b', 33, 44)];
  tasks(made, TRAIN);
  await converse(made, questions(130));
  const cycle = await runCycle({ ...made.learner, live: honest }, { tasks: TRAIN, heldout: [] });
  expect(cycle).toMatchObject({ state: 'done', stage: 'promote' });
  expect(cycle.note).toMatch(/^version 1: better than by 5\.0 points: in 32 of 32 held-out conversations/);
  expect(decisionsOf(made.store.db, GYRE_POLICY, 9, 1).map(({ kind }) => kind)).toEqual([
    'promotion',
    'gate',
    'parity',
  ]);
});

test('shadowed conversations are those that nothing was learned from, and some of them', async () => {
  const made = (open = await bench({ script: saying('good'), config: { gate: { shadow: true } } }));
  await converse(made, questions(150));
  expect(await made.learner.rows.live.states(0)).toEqual([]);
  const all = await made.learner.rows.live.states(1);
  expect(all).toHaveLength(150);
  const some = await made.learner.rows.live.states(0.3);
  expect(some.length).toBeGreaterThan(15);
  expect(some.length).toBeLessThan(90);
  const [first] = all;
  const cycle = await made.learner.rows.cycles.begin({ mode: 'resample', filter: 'none' });
  await made.learner.rows.cycles.claim(cycle.id, 'resample', [{ stepId: first?.stepId ?? '', same: [] }]);
  expect(await made.learner.rows.live.states(1)).toEqual(all.slice(1));
});

const TRAINED = [sum('a', 11, 22), sum('b', 33, 44)];

test('where nothing can tell, a trained version is a canary first', async () => {
  const made = (open = await bench({ config: { gate: { canary_share: 0.5 } } }));
  tasks(made, TRAINED);
  const cycle = await runCycle(made.learner, { tasks: TRAINED, heldout: [] });
  expect(cycle.note).toBe('version 1: no held-out tasks; a canary answers 50 % of the conversations');
  expect(await made.learner.rows.live.canary()).toMatchObject({ version: 1, against: 0, share: 0.5, candidate: 1 });
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(0);
});

test('one that has passed the gate is a canary before it serves, and one that was refused is none', async () => {
  const MANY = Array.from({ length: 24 }, (_, at) => sum(`h${at}`, at + 10, at + 20, 'heldout'));
  const made = (open = await bench({
    config: { gate: { canary_share: 0.1 } },
    script: (request) =>
      request.body.model === 'base' && request.body['temperature'] === 0 ? { text: 'no idea' } : arithmetic(request),
  }));
  tasks(made, [...TRAINED, ...MANY]);
  const cycle = await runCycle(made.learner, { tasks: TRAINED, heldout: MANY });
  expect(cycle).toMatchObject({ state: 'done', stage: 'gate' });
  expect(cycle.note).toMatch(/^version 1: better: .*; a canary answers 10 % of the conversations$/);
  const [decision] = decisionsOf(made.store.db, GYRE_POLICY, 1, 1);
  expect(decision).toMatchObject({ kind: 'gate', passed: true });
  expect(await made.learner.rows.live.canary()).toMatchObject({ version: 1, gateId: decision?.id, candidate: 1 });
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(0);
  await made.close();

  const refused = (open = await bench({ config: { gate: { canary_share: 0.1 } } }));
  tasks(refused, [...TRAINED, ...MANY]);
  expect((await runCycle(refused.learner, { tasks: TRAINED, heldout: MANY })).note).toMatch(/^version 1: not shown/);
  expect(await refused.learner.rows.live.canary()).toBeUndefined();
});
