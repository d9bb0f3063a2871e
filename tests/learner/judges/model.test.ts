/** A model that judges what the log holds, over a real store and a scripted endpoint. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { declaredIn, judgesIn } from '../../../src/run/judges/configured.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { judgeEndpoint, type JudgeEndpoint, type Script } from '../../judge/model/endpoint.js';
import { answer, call, opened, opening, user } from '../../store/fixture.js';

let script: Script = () => 'GOOD';
let endpoint: JudgeEndpoint;
beforeEach(async () => {
  script = () => 'Sound.\nGOOD';
  endpoint = await judgeEndpoint((asked, times) => script(asked, times));
});
afterEach(() => endpoint.close());

const raise = (words: string): never => {
  throw new Error(words);
};

const CRITIC = { name: 'critic', kind: 'model', model: 'judge-7b', retries: 0 };

function world(judge: object = {}, rewards: readonly string[] = ['person', 'critic', 'reference']) {
  const { store, log } = opened();
  const config = parseConfig({ learning: { rewards }, judges: [{ ...CRITIC, url: endpoint.url, ...judge }] });
  const declared = declaredIn(config, new Set());
  const rows = learningStore(store.db, GYRE_POLICY, declared);
  const toolbox = new Map();
  const judges = judgesIn(config, { toolbox, rows, policy: { sample: () => raise('no policy is asked here') } });
  const { signal } = new AbortController();
  const all = (sql: string): unknown[] => store.sqlite.prepare(sql).all();
  return {
    log,
    all,
    judge: () => judgeLog({ rows, judges, declared, toolbox, signal, progress: () => undefined }),
  };
}

const STATED = [{ text: '', asks: [{ call: call('c1', '12*3'), gives: '36' }] }, { text: 'It is 40.' }] as const;

test('it sees what came before a step and after it, and its words are verdicts with what they cost', async () => {
  const { log, all, judge } = world();
  const { turn } = await answer(log, opening([user('What is 12*3+4?')]), STATED);
  await answer(log, opening([user('What is 12*3+4?'), turn, user('That is right, thanks!')]), [{ text: 'Welcome.' }]);
  await judge();
  const shown = endpoint.asked.map(({ body }) => body.messages[1]?.content ?? '');
  const [first = '', second = ''] = shown.filter(
    (text) => !text.includes('user: That is right') || text.includes('It is 40.'),
  );
  expect(shown).toHaveLength(5); // three steps, two answers
  expect(first.split('after it')[1]).toContain('tool: 36');
  expect(second.split('after it')[1]).toContain('That is right, thanks!');
  expect(all("SELECT count(*) AS n FROM verdicts WHERE judge = 'critic' AND good = 1")).toEqual([{ n: 5 }]);
  expect(all('SELECT sum(prompt_tokens) AS prompt, count(*) AS n FROM judge_costs')).toEqual([{ prompt: 500, n: 5 }]);
});

test('while nothing shows that it tells right from wrong it filters and never rewards', async () => {
  const { log, all, judge } = world();
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  await judge();
  expect(all("SELECT judge, good, gradable FROM decided WHERE subject_kind = 'step'")).toEqual([
    { judge: 'critic', good: 1, gradable: 0 },
  ]);
});

test('what it cannot say is a row without a word, and is not asked again', async () => {
  script = () => 'Hard to say.';
  const { log, all, judge } = world();
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  await judge();
  await judge();
  expect(endpoint.asked).toHaveLength(2);
  expect(all("SELECT good, score, rationale FROM verdicts WHERE judge = 'critic' AND subject_kind = 'step'")).toEqual([
    { good: null, score: null, rationale: 'its answer does not end with GOOD or BAD' },
  ]);
});

test('while it is away nothing is said in its place, the rules go on, and it is waited for', async () => {
  script = () => (response) => response.writeHead(503).end('{}');
  const { log, all, judge } = world();
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  expect(await judge()).toMatchObject({ judge_faults: 2 });
  expect(all("SELECT count(*) AS n FROM verdicts WHERE judge = 'critic'")).toEqual([{ n: 0 }]);
  expect(all("SELECT count(*) AS n FROM verdicts WHERE judge = 'well_formed'")).toEqual([{ n: 1 }]);
  expect(all('SELECT DISTINCT judge, tries FROM judge_attempts')).toEqual([{ judge: 'critic', tries: 1 }]);
  script = () => 'GOOD';
  await judge(); // not due yet
  expect(all("SELECT count(*) AS n FROM verdicts WHERE judge = 'critic'")).toEqual([{ n: 0 }]);
});

test('its budget of a day ends what it is asked, and says so where it waits', async () => {
  const { log, all, judge } = world({ tokens_per_day: 200 });
  for (const words of ['one', 'two', 'three']) await answer(log, opening([user(words)]), [{ text: 'a' }]);
  await judge();
  expect(endpoint.asked).toHaveLength(2);
  const reasons = all('SELECT DISTINCT reason FROM judge_attempts').map((row) => (row as { reason: string }).reason);
  expect(reasons.join()).toContain('of 200 tokens of this day');
});
