/** The results of a turn reach the policy in the order of its calls, whoever gave them and in whatever order. */
import { expect, it, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { canonicalMessage, textOf, type Message } from '../../../src/core/message.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { stateOf } from '../../../src/store/read/state.js';
import { verify } from '../../../src/store/proof/verify.js';
import { answer, call, opened, opening, toolSays, user } from '../fixture.js';

const canonical = (messages: readonly Message[]): unknown[] => messages.map(canonicalMessage);
const results = (messages: readonly Message[]): string[] =>
  messages.flatMap((message) =>
    message.role === 'tool' ? [`${message.tool_call_id}=${textOf(message.content)}`] : [],
  );
const HELLO = [user('All of it.')];
const mine = (id: string): { call: ReturnType<typeof call> } => ({ call: call(id, id, 'mine') });
const ours = (id: string): { call: ReturnType<typeof call>; gives: string } => ({
  call: call(id, id),
  gives: `of ${id}`,
});
const says = (id: string): Message => toolSays(id, `of ${id}`);

it.each<[string, ReturnType<typeof mine>[], Message[], string[]]>([
  ['ours last', [mine('m1'), ours('s1')], [says('m1')], ['m1=of m1', 's1=of s1']],
  ['ours first', [ours('s1'), mine('m1')], [says('m1')], ['s1=of s1', 'm1=of m1']],
  [
    'ours between',
    [mine('m1'), ours('s1'), mine('m2'), ours('s2')],
    [says('m1'), says('m2')],
    ['m1=of m1', 's1=of s1', 'm2=of m2', 's2=of s2'],
  ],
  [
    'the client answers in another order',
    [mine('m1'), ours('s1'), mine('m2')],
    [says('m2'), says('m1')],
    ['m1=of m1', 's1=of s1', 'm2=of m2'],
  ],
  [
    'the client answers some',
    [mine('m1'), ours('s1'), mine('m2')],
    [says('m2')],
    ['m1=No result was given.', 's1=of s1', 'm2=of m2'],
  ],
  [
    'the client answers none and says something else',
    [mine('m1'), ours('s1')],
    [user('Never mind.')],
    ['m1=No result was given.', 's1=of s1'],
  ],
  [
    'the client answers one call twice',
    [mine('m1'), ours('s1')],
    [says('m1'), toolSays('m1', 'again')],
    ['m1=of m1', 's1=of s1', 'm1=again'],
  ],
  ["all are the client's", [mine('m1'), mine('m2')], [says('m2'), says('m1')], ['m1=of m1', 'm2=of m2']],
])('%s', async (_name, asks, sent, ordered) => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '', asks }]);
  const again = [...HELLO, first.turn, ...sent];
  const second = await answer(gyre.log, opening(again), [{ text: 'Done.' }]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(results(second.recording.messages)).toEqual(ordered);
  expect(canonical(stateOf(gyre.store.db, second.steps[0]?.id ?? '')?.messages ?? [])).toEqual(
    canonical(second.recording.messages),
  );
  const [step] = readTrajectory(gyre.store.db, first.recording.trajectoryId)?.steps ?? [];
  expect(step?.tool_calls.map(({ observation }) => observation)).toEqual(
    ordered.slice(0, asks.length).map((each) => each.slice(each.indexOf('=') + 1)),
  );
  expect(verify(gyre.store.db).problems).toEqual([]);

  // A follow-up of the follow-up is found, also with the results in an order it had not before.
  const third = await answer(
    gyre.log,
    opening([...HELLO, first.turn, ...[...sent].reverse(), second.turn, user('And?')]),
    [{ text: 'So.' }],
  );
  const isReordered =
    sent.length > 1 && new Set(sent.map((each) => (each.role === 'tool' ? each.tool_call_id : ''))).size > 1;
  if (sent.length === 1 || isReordered) {
    expect(third.recording.trajectoryId).toBe(first.recording.trajectoryId);
    expect(results(third.recording.messages)).toEqual(ordered);
  }
  // A branch from the mixed turn is ordered as well.
  const branch = await answer(gyre.log, opening([...again, user('Or else?')]), [{ text: 'Else.' }]);
  expect(branch.recording.continued).toBe(false);
  expect(results(branch.recording.messages)).toEqual(ordered);
  expect(verify(gyre.store.db).problems).toEqual([]);
  for (const id of [first, second, third, branch].map(({ recording }) => recording.trajectoryId))
    removeTrajectory(gyre.store.db, GYRE_POLICY, id);
  expect(gyre.store.sqlite.prepare('SELECT count(*) AS n FROM messages').get()).toEqual({ n: 0 });
});

test('a turn whose results nobody gave is left as it is', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '', asks: [mine('m1'), mine('m2')] }]);
  const sent = [...HELLO, first.turn, user('Never mind.')];
  expect(gyre.log.open(opening(sent)).messages).toEqual(sent);
});

const turn = (...ids: string[]): Message => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
});

test('so they do in a conversation that the log does not know, and in its follow-up', async () => {
  const gyre = opened();
  const sent = [...HELLO, turn('a', 'b'), says('b'), says('a'), turn('c', 'd'), says('d'), says('c'), user('So?')];
  const all = ['a', 'b', 'c', 'd'].map((id) => `${id}=of ${id}`);
  const first = await answer(gyre.log, opening(sent), [{ text: 'Done.' }]);
  expect(results(first.recording.messages)).toEqual(all);
  const next = [...sent, first.turn, turn('e', 'f'), says('f'), says('e'), turn('g', 'h'), says('h'), says('g')];
  const second = await answer(gyre.log, opening(next), [{ text: 'Well.' }]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(results(second.recording.messages)).toEqual([...all, ...['e', 'f', 'g', 'h'].map((id) => `${id}=of ${id}`)]);
  expect(canonical(stateOf(gyre.store.db, second.steps[0]?.id ?? '')?.messages ?? [])).toEqual(
    canonical(second.recording.messages),
  );
  expect(verify(gyre.store.db).problems).toEqual([]);
});
