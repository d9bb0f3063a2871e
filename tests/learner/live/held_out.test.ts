/** Live conversations that are held out by lot: nothing of them is learned, whichever turn or copy it is, for ever. */
import { afterEach, expect, test } from 'vitest';

import type { Task } from '../../../src/core/learning/task.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { holdOutLive, liveHoldoutOf } from '../../../src/store/learning/held_out.js';
import { saveTasks } from '../../../src/store/learning/tasks.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';
import { lookedAt } from '../counted.js';

let gateway: Gateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

interface Turn {
  readonly role: string;
  readonly content: string;
}

async function say(to: Gateway, messages: readonly Turn[]): Promise<Turn> {
  const answer = await to.post({ model: 'gyre', messages });
  expect(answer.status).toBe(200);
  const { choices } = (await answer.json()) as { choices: { message: Turn }[] };
  return choices[0]?.message ?? expect.fail('no answer');
}

const user = (content: string): Turn => ({ role: 'user', content });
const question = (at: number): Turn => user(`Tell me about number ${at}.`);

/** By the number in the question: why each step of it is dropped, the same for all of them. */
function reasons(of: Gateway, count: number): string[] {
  const asked = new Map<string, Set<string>>();
  const state = of.store.sqlite.prepare(
    `WITH RECURSIVE up (id, parent, body) AS (SELECT m.id, m.parent, m.body FROM steps s JOIN messages m
      ON m.id = s.state_at WHERE s.id = ? UNION ALL SELECT m.id, m.parent, m.body FROM up JOIN messages m
      ON m.id = up.parent) SELECT group_concat(body, ' ') AS body FROM up`,
  );
  for (const { stepId, reason } of lookedAt(of.store.db)) {
    const { body } = state.get(stepId) as { body: string };
    const number = /number (\d+)/i.exec(body)?.[1] ?? expect.fail(body);
    asked.set(number, (asked.get(number) ?? new Set()).add(reason));
  }
  return Array.from({ length: count }, (_, at) => {
    const [reason, ...others] = asked.get(String(at)) ?? [];
    expect(others).toEqual([]);
    return reason ?? expect.fail(`nothing of number ${at}`);
  });
}

test('about a share of the conversations is held out, each with its later turns and its copies', async () => {
  const made = (gateway = await startGateway({ script: () => ({ text: 'Well.' }) }));
  holdOutLive(made.store.db, 0.5);
  for (let at = 0; at < 30; at += 1) {
    const first = await say(made, [question(at)]);
    await say(made, [question(at), first, user('And then?')]);
    await say(made, [{ role: 'system', content: 'Be kind.' }, user(`tell me  about NUMBER ${at}.`)]);
  }
  const found = reasons(made, 30);
  const held = found.filter((reason) => reason === 'heldout').length;
  expect(held).toBeGreaterThan(3);
  expect(held).toBeLessThan(27);

  const { steps } = learningStore(made.store.db, GYRE_POLICY);
  const all = lookedAt(made.store.db);
  const ids = new Set(all.filter(({ reason }) => reason === 'heldout').map(({ stepId }) => stepId));
  // Where batches are made it is asked again, of the rows as they are then.
  expect(await steps.heldOut(all.map(({ stepId }) => stepId))).toEqual(ids);
});

test('questions after the same worked examples are conversations of their own, each with its later turns', async () => {
  const made = (gateway = await startGateway({ script: () => ({ text: 'Well.' }) }));
  holdOutLive(made.store.db, 0.5);
  const examples: Turn[] = [user('What is 2+2?'), { role: 'assistant', content: '4' }];
  for (let at = 0; at < 30; at += 1) {
    const first = await say(made, [...examples, question(at)]);
    const second = await say(made, [...examples, question(at), first, user('And then?')]);
    // A branch, and the question without its examples.
    await say(made, [...examples, question(at), first, user('And before?')]);
    await say(made, [...examples, question(at), first, user('And then?'), second, user('And number zero?')]);
    await say(made, [question(at)]);
  }
  const held = reasons(made, 30).filter((reason) => reason === 'heldout').length;
  expect(held).toBeGreaterThan(3);
  expect(held).toBeLessThan(27);
});

test('a conversation of a task is as its task is', async () => {
  const made = (gateway = await startGateway({ script: () => ({ text: 'Well.' }) }));
  const tasks = Array.from({ length: 12 }, (_, at): Task => ({
    id: `t${at}`,
    messages: [{ role: 'user', content: `Tell me about number ${at}.` }],
    reference: 'Well.',
    split: at < 9 ? 'train' : 'heldout',
    metadata: {},
  }));
  saveTasks(made.store.db, tasks);
  holdOutLive(made.store.db, 0.5);
  for (const { id, messages } of tasks) {
    const asked = await made.post({ model: 'gyre', messages, metadata: { gyre_task: id } });
    expect(asked.status).toBe(200);
  }
  const found = reasons(made, 12);
  expect(found.map((reason) => reason === 'heldout')).toEqual(tasks.map(({ split }) => split === 'heldout'));
  const { steps } = learningStore(made.store.db, GYRE_POLICY);
  const all = lookedAt(made.store.db);
  const ids = new Set(all.filter(({ reason }) => reason === 'heldout').map(({ stepId }) => stepId));
  expect(await steps.heldOut(all.map(({ stepId }) => stepId))).toEqual(ids);
});

test('what is held out stays so when the share is made smaller, and when it is made larger', async () => {
  const made = (gateway = await startGateway({ script: () => ({ text: 'Well.' }) }));
  for (let at = 0; at < 30; at += 1) await say(made, [question(at)]);
  expect(reasons(made, 30)).not.toContain('heldout');
  holdOutLive(made.store.db, 0.3);
  const { salt } = liveHoldoutOf(made.store.db);
  const before = reasons(made, 30);
  expect(before).toContain('heldout');
  holdOutLive(made.store.db, 0.05);
  expect(reasons(made, 30)).toEqual(before);
  holdOutLive(made.store.db, 0.9);
  const after = reasons(made, 30);
  expect(after.filter((reason) => reason === 'heldout').length).toBeGreaterThan(15);
  before.forEach((reason, at) => {
    if (reason === 'heldout') expect(after[at]).toBe('heldout');
  });
  expect(liveHoldoutOf(made.store.db)).toEqual({ salt, share: 0.9 });
});

test('a folder draws other conversations than another one', async () => {
  const salts = new Set<string>();
  for (let folder = 0; folder < 2; folder += 1) {
    const made = await startGateway();
    holdOutLive(made.store.db, 0.05);
    salts.add(liveHoldoutOf(made.store.db).salt);
    await made.close();
  }
  expect(salts.size).toBe(2);
});
