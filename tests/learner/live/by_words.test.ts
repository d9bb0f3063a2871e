/** The gate on held-out conversations by a judge that is asked about each answer alone: real rows, scripted answers. */
import { afterEach, expect, test } from 'vitest';

import type { Judge } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { panelJudge } from '../../../src/judge/panel/judge.js';
import { answerTo } from '../../../src/learner/live/answering.js';
import { compareLive, type Comparing } from '../../../src/learner/live/comparing.js';
import { recompute } from '../../../src/promote/recompute.js';
import { servingVersion } from '../../../src/store/learning/decisions.js';
import { holdOutLive } from '../../../src/store/learning/held_out.js';
import { bench, type Bench } from '../bench.js';
import { byWords, converse, opinion, questions } from './traffic.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** What a version says to a question by its number. */
type Says = (number: number, version: 'candidate' | 'serving') => string;

async function asked(says: Says): Promise<Bench> {
  const made = (open = await bench({
    script: ({ body }) => {
      const number = Number(/number (\d+)/.exec(JSON.stringify(body.messages))?.[1] ?? 0);
      return { text: says(number, body.model === 'base' ? 'serving' : 'candidate') };
    },
  }));
  holdOutLive(made.store.db, 1);
  await converse(made, questions(130));
  return made;
}

function comparing(made: Bench, judge: Judge): Comparing {
  const { rows, config, progress, signal } = made.learner;
  const answer: Comparing['answer'] = (state, version) => answerTo(made.learner, state, version);
  return { rows, config, progress, signal, live: byWords(judge), answer, drifts: () => Promise.resolve([]) };
}

/** Good is what says so; of what is odd it was never told. */
const word = ({ text }: { readonly text: string }): boolean | undefined =>
  text.includes('odd') ? undefined : text.includes('good');

function panel(): Judge {
  const members = ['one', 'two', 'three'].map((name) => opinion('model', word, name));
  return panelJudge({ name: 'critic', members, rule: 'majority', said: () => Promise.resolve(new Map()) });
}

test.each<[string, () => Judge]>([
  ['trained here', () => opinion('learned', word)],
  ['made of several', panel],
])('a judge that is %s promotes a version whose answers are better', async (_, judgeOf) => {
  const made = await asked((_number, version) => (version === 'candidate' ? 'good' : 'plain'));
  const gated = await compareLive(comparing(made, judgeOf()), 1);
  expect(gated).toMatchObject({ promoted: true, decision: { kind: 'gate', passed: true, against: 0 } });
  expect(gated.reason).toMatch(/^better: in 32 of 32 held-out conversations/);
  const numbers = gated.decision?.numbers ?? {};
  expect(numbers).toMatchObject({
    live: { by: 'words', false_accept: 0.1, gold_items: 400, seen: 0.8, untold: { candidate: [], serving: [] } },
    asked: { calibrated_as: expect.any(String) as string, compared_by: 'words' },
  });
  expect(recompute(numbers)).toMatchObject({ decided: true, passed: true, reason: gated.reason, numbers });
});

test.each<[string, () => Judge]>([
  ['trained here', () => opinion('learned', word)],
  ['made of several', panel],
])('a judge that is %s promotes none that is right as often, and elsewhere', async (_, judgeOf) => {
  const made = await asked((number, version) => ((number % 2 === 0) === (version === 'candidate') ? 'good' : 'plain'));
  const gated = await compareLive(comparing(made, judgeOf()), 1);
  expect(gated).toMatchObject({ promoted: false, decision: { passed: false } });
  const { wins, losses } = gated.decision?.numbers as { wins: number; losses: number };
  expect(wins + losses).toBe(gated.decision?.numbers['tasks']);
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(0);
});

test('it is shown one answer at a time, the step that it ended with, and nothing that says whose it is', async () => {
  const made = await asked((_number, version) => (version === 'candidate' ? 'good' : 'plain'));
  const judge = opinion('learned', word);
  await compareLive(comparing(made, judge), 1);
  expect(judge.asked).toHaveLength(64);
  const [one] = judge.asked;
  expect(Object.keys(one ?? {}).sort()).toEqual(['calls', 'id', 'index', 'kind', 'messages', 'text', 'tools']);
  expect(judge.asked.every(({ kind, messages }) => kind === 'step' && messages.length === 1)).toBe(true);
  // The same answer to the same question is the same, whoever gives it.
  expect(new Set(judge.asked.map(({ id }) => id)).size).toBe(64);
  expect(judge.asked.filter(({ text }) => text === 'good')).toHaveLength(32);
});

test('where it cannot tell of an answer nobody has won, and the row says of whose', async () => {
  // Of a quarter of the conversations it can tell of both, and there the candidate is better.
  const made = await asked((number, version) => {
    if (number % 4 === 0) return version === 'candidate' ? 'good' : 'plain';
    if (number % 4 === 1) return version === 'candidate' ? 'odd' : 'good';
    if (number % 4 === 2) return version === 'candidate' ? 'good' : 'odd';
    return version === 'candidate' ? 'odd one' : 'odd';
  });
  const gated = await compareLive(comparing(made, opinion('learned', word)), 1);
  const { numbers } = gated.decision ?? expect.fail(gated.reason);
  const { live, tasks, wins, losses } = numbers as {
    live: { untold: { candidate: string[]; serving: string[] } };
    tasks: number;
    wins: number;
    losses: number;
  };
  const untold = new Set([...live.untold.candidate, ...live.untold.serving]).size;
  expect(losses).toBe(0);
  expect(wins + untold).toBe(tasks);
  expect(live.untold.candidate.length).toBeGreaterThan(0);
  expect(live.untold.serving.length).toBeGreaterThan(0);
  expect(gated.reason).toContain(`of ${untold} the judge could not tell`);
  expect(recompute(numbers)).toMatchObject({ decided: true, numbers });
});

test('what it could not tell of is known again by a test that goes on', async () => {
  const made = await asked((_number, version) => (version === 'candidate' ? 'odd' : 'plain'));
  const judge = opinion('learned', word);
  let left = 50;
  const leaving: Judge = {
    ...judge,
    judge: (subjects, signal) => (left-- > 0 ? judge.judge(subjects, signal) : Promise.reject(new Error('away'))),
  };
  const away = await compareLive(comparing(made, leaving), 1);
  expect(away.decision).toBeUndefined();
  const gated = await compareLive(comparing(made, judge), 1);
  const { live, tasks } = gated.decision?.numbers as { live: { untold: { candidate: string[] } }; tasks: number };
  expect(live.untold.candidate).toHaveLength(tasks);
  // Of pairs of which only one was judged both are judged again.
  expect(judge.asked.length).toBeLessThan(2 * tasks + 32);
});
