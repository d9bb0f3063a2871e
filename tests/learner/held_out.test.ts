/** Held-out questions as clients ask them, in whatever way: no state of them is taken up, and none reaches a batch. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { learnVerb } from '../../src/cli/verbs/learning.js';
import { parseConfig } from '../../src/core/config.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import type { Task } from '../../src/core/learning/task.js';
import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { runningCycle } from '../../src/store/learning/cycles.js';
import { saveTasks } from '../../src/store/learning/tasks.js';
import { type Gateway, startGateway } from '../fakes/gateway.js';
import { bench, type Bench, sum, tasks } from './bench.js';
import { select } from './counted.js';

const SYSTEM = { role: 'system', content: 'You are kind.' };
const user = (content: string): object => ({ role: 'user', content });
const HELD: Task = {
  ...sum('held-1', 17, 23, 'heldout'),
  messages: [{ role: 'user', content: 'What is 17 plus 23?' }],
};
const CALL = { id: 'c', type: 'function', function: { name: 'calculator', arguments: '{"expression":"17+23"}' } };

let gateway: Gateway | undefined;
let made: Bench | undefined;
afterEach(async () => {
  await gateway?.close();
  await made?.close();
  gateway = made = undefined;
});

async function dropped(path: string, body: object): Promise<Readonly<Record<string, number>>> {
  gateway = await startGateway({
    script: ({ body: { messages } }) => ({ text: messages.length > 1 ? 'Well.' : 'Yes?' }),
  });
  saveTasks(gateway.store.db, [HELD]);
  const answer = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gyre', ...body }),
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
  return select(gateway.store.db, 'none', 'resample').dropped;
}

it.each([
  ['as it is', [user('What is 17 plus 23?')]],
  ['with a system prompt', [SYSTEM, user('What is 17 plus 23?')]],
  ['with a line break after it', [user('What is 17 plus 23?\n')]],
  ['in other case', [user('WHAT IS 17 PLUS 23')]],
  [
    'in parts',
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is 17' },
          { type: 'text', text: ' plus 23?' },
        ],
      },
    ],
  ],
  ['within a longer text', [user('I am eight. Please say it slowly: what is 17 plus 23? I like numbers.')]],
  ['with a word more', [user('What then is 17 plus 23?')]],
  ['as a second turn', [user('Hello'), { role: 'assistant', content: 'Yes?' }, user('What is 17 plus 23?')]],
  ['before another turn', [user('What is 17 plus 23?'), { role: 'assistant', content: 'Hm.' }, user('Say it.')]],
  ['in the system prompt', [{ role: 'system', content: 'Answer this: What is 17 plus 23?' }, user('Go on.')]],
  [
    'with a turn that was never taken',
    [
      user('What is 17 plus 23?'),
      { role: 'assistant', content: null, tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'c', content: '40' },
    ],
  ],
  [
    'in parts that do not run into each other',
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is' },
          { type: 'text', text: '17 plus' },
          { type: 'text', text: '23?' },
        ],
      },
    ],
  ],
  ['with emphasis', [user('What is *17 plus 23*?')]],
  ['as a quotation', [user('> What is 17\n> plus 23?')]],
  ['in tags', [user('<b>What is</b> 17 plus 23?')]],
  [
    'as what a tool was asked',
    [
      user('Ask the oracle.'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { ...CALL, function: { name: 'oracle', arguments: '{"q":{"text":["Quick:","What is 17 plus 23?"]}}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c', content: '40' },
    ],
  ],
  [
    'as what a tool was asked in no JSON',
    [
      user('Ask the oracle.'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ ...CALL, function: { name: 'oracle', arguments: 'What is 17 plus 23?' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: '40' },
    ],
  ],
  [
    'as what a tool said',
    [
      user('Read it.'),
      { role: 'assistant', content: null, tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'c', content: 'What is 17 plus 23?' },
    ],
  ],
])('a held-out question is left out: %s', async (_, messages) => {
  expect(await dropped('/v1/chat/completions', { messages })).toEqual({ heldout: 1 });
});

it('a held-out question is left out: by instructions', async () => {
  const body = { instructions: 'Answer this: what is 17 plus 23?', input: 'Go.' };
  expect(await dropped('/v1/responses', body)).toEqual({ heldout: 1 });
});

it.each([
  ['other numbers', 'What is 17 plus 24?'],
  ['the numbers the other way round', 'What is 23 plus 17?'],
  ['something else', 'What else is there?'],
])('another question is not: %s', async (_, content) => {
  expect(await dropped('/v1/chat/completions', { messages: [SYSTEM, user(content)] })).toEqual({});
});

it('a question of three words is one as a second turn, too', async () => {
  gateway = await startGateway({ script: () => ({ text: 'Well.' }) });
  saveTasks(gateway.store.db, [{ ...HELD, messages: [{ role: 'user', content: 'Capital of France?' }] }]);
  const turns = [user('Hello'), { role: 'assistant', content: 'Yes?' }, user('capital of France')];
  expect((await gateway.post({ model: 'gyre', messages: turns })).status).toBe(200);
  expect(select(gateway.store.db, 'none', 'resample').dropped).toEqual({ heldout: 1 });
});

it('a task of the file that is nearly a held-out one is answered and not learned from', async () => {
  made = await bench();
  const near = { ...sum('near', 17, 23), messages: [{ role: 'user', content: 'So what is 17 plus 23 ?' } as const] };
  const cycle = await runCycle(made.learner, {
    heldout: [],
    tasks: tasks(made, [HELD, near, sum('other', 4, 5)]).slice(1),
  });
  expect(cycle.state, cycle.note).toBe('done');
  expect(cycle.counts).toMatchObject({ states: 2, 'dropped.heldout': 2 });
});

it('a question that becomes a held-out one while its state is drawn from reaches no batch', async () => {
  made = await bench();
  const { learner, store } = made;
  const asked = sum('t', 17, 23);
  await generate(learner, tasks(made, [asked]), 1, 0);
  const stopped = runCycle(
    {
      ...learner,
      progress({ stage }) {
        if (stage === 'judge_samples') saveTasks(store.db, [HELD]);
      },
    },
    { heldout: [] },
  );
  const cycle = await stopped;
  expect([cycle.state, cycle.counts['states']]).toEqual(['skipped', 2]);
  expect(runningCycle(store.db, GYRE_POLICY)).toBeUndefined();
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM batch_items').get()).toEqual({ n: 0 });
});

it('a question that becomes a held-out one while its batch waits is not sent, and what else there is is', async () => {
  made = await bench();
  const { learner, store } = made;
  const { batches } = learner.rows;
  let waited = false;
  const waiting = {
    ...learner,
    rows: {
      ...learner.rows,
      batches: {
        ...batches,
        byId: (id: string) => {
          if (!waited) saveTasks(store.db, [HELD]);
          waited = true;
          return batches.byId(id);
        },
      },
    },
  };
  const cycle = await runCycle(waiting, { heldout: [], tasks: tasks(made, [sum('t', 17, 23), sum('u', 4, 5)]) });
  expect(cycle).toMatchObject({ state: 'failed' });
  expect(cycle.note).toMatch(/: 2 of its states ask what was held out before it was sent$/);
  expect(made.trainer.applied).toEqual([]);
  const next = await runCycle(learner, { heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done', counts: { carried: 2 } });
});

it('what "learning.heldout" names is known to "gyre learn", also where no gateway has served the folder', async () => {
  made = await bench();
  const file = join(made.folder, 'held.jsonl');
  writeFileSync(file, JSON.stringify({ id: 'h', prompt: 'What is 17 plus 23?', reference: '40', split: 'heldout' }));
  const learner = { ...made.learner, config: parseConfig({ learning: { heldout: file } }) };
  const quiet = { result: () => undefined, progress: () => undefined, line: () => undefined };
  await learnVerb(learner, { tasks: [sum('t', 17, 23)], cycles: 1, perTask: 1 }, quiet);
  expect((await learner.rows.tasks.of('heldout')).map(({ id }) => id)).toEqual(['h']);
  expect(made.trainer.applied).toEqual([]);
});
