/** A panel of judges over a real store and a scripted endpoint: nobody is asked twice, and nobody decides for it. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { declaredIn, judgesIn } from '../../../src/run/judges/configured.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { judgeEndpoint, type JudgeEndpoint, type Script } from '../../judge/model/endpoint.js';
import { answer, opened, opening, user } from '../../store/fixture.js';

let script: Script;
let endpoint: JudgeEndpoint;
beforeEach(async () => {
  script = () => 'GOOD';
  endpoint = await judgeEndpoint((asked, times) => script(asked, times));
});
afterEach(() => endpoint.close());

const by = (words: Readonly<Record<string, string>>): Script => {
  return ({ body }) => words[body.model] ?? ((response) => response.writeHead(503).end('{}'));
};

function world(panel: object = {}) {
  const { store, log } = opened();
  const member = (name: string): object => ({ name, kind: 'model', url: endpoint.url, model: name, retries: 0 });
  const config = parseConfig({
    learning: { rewards: ['person', 'three', 'reference'] },
    judges: [{ name: 'three', kind: 'panel', of: ['ada', 'bo', 'cy'], ...panel }, ...['ada', 'bo', 'cy'].map(member)],
  });
  const declared = declaredIn(config, new Set());
  const rows = learningStore(store.db, GYRE_POLICY, declared);
  const { signal } = new AbortController();
  const policy = {
    sample: (): never => {
      throw new Error('no policy is asked here');
    },
  };
  const judging = (): ReturnType<typeof judgeLog> => {
    const judges = judgesIn(config, { toolbox: new Map(), rows, policy });
    return judgeLog({ rows, judges, declared, toolbox: new Map(), signal, progress: () => undefined });
  };
  return { log, judging, all: (sql: string): unknown[] => store.sqlite.prepare(sql).all() };
}

const WORDS = `SELECT judge, good, confidence FROM verdicts
  WHERE subject_kind = 'step' AND judge NOT IN ('well_formed', 'follows_observation', 'reference') ORDER BY judge`;

test('what its members say is one word more, and each of them is asked once', async () => {
  script = by({ ada: 'GOOD', bo: 'BAD', cy: 'GOOD' });
  const { log, judging, all } = world();
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  await judging();
  expect(all(WORDS)).toEqual([
    { judge: 'ada', good: 1, confidence: null },
    { judge: 'bo', good: 0, confidence: null },
    { judge: 'cy', good: 1, confidence: null },
    { judge: 'three', good: 1, confidence: 2 / 3 },
  ]);
  expect(endpoint.asked).toHaveLength(6); // three of a step, three of its answer
});

test('while one of them is away it says nothing; what the others said is not asked again', async () => {
  script = by({ ada: 'GOOD', bo: 'BAD' });
  const { log, judging, all } = world();
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  await judging();
  expect(all(`SELECT DISTINCT judge FROM (${WORDS})`)).toEqual([{ judge: 'ada' }, { judge: 'bo' }]);
  expect(all('SELECT DISTINCT judge FROM judge_attempts ORDER BY judge')).toEqual([
    { judge: 'cy' },
    { judge: 'three' },
  ]);
  script = by({ ada: 'GOOD', bo: 'BAD', cy: 'BAD' });
  const before = endpoint.asked.length;
  all('UPDATE judge_attempts SET due_at = 0 RETURNING judge');
  await judging();
  expect(all(`SELECT good FROM (${WORDS}) WHERE judge = 'three'`)).toEqual([{ good: 0 }]);
  expect(endpoint.asked.slice(before).map(({ body }) => body.model)).toEqual(['cy', 'cy']);
});

test('it filters like a model, until it is shown to tell right from wrong', async () => {
  const { log, judging, all } = world({ rule: 'all' });
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  await judging();
  expect(all("SELECT judge, good, gradable FROM decided WHERE subject_kind = 'step'")).toEqual([
    { judge: 'three', good: 1, gradable: 0 },
  ]);
});

test.each([
  [{ of: ['ada', 'dora'] }, 'names "dora", which is no judge that it can ask'],
  [{ of: ['ada', 'three'] }, 'names "three"'],
  [{ of: ['ada', 'person'] }, 'names "person"'],
  [{ of: ['ada'] }, 'judges'],
  [{ rule: 'loudest' }, 'judges'],
])('a panel of %j is refused', (panel, words) => {
  expect(() => world(panel)).toThrow(words);
});
