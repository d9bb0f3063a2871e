import { expect, test } from 'vitest';

import { canonicalMessage, type Message } from '../../../src/core/message.js';
import { openLog } from '../../../src/store/log/log.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { stateOf } from '../../../src/store/read/state.js';
import { verify } from '../../../src/store/proof/verify.js';
import {
  action,
  answer,
  call,
  DONE,
  opened,
  opening,
  stepOf,
  system,
  temporaryFolder,
  toolSays,
  user,
  type Opened,
} from '../fixture.js';

const canonical = (messages: readonly Message[]): unknown[] => messages.map(canonicalMessage);

function rows({ store }: Opened, table: string): number {
  return (store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
}

const HELLO = [system('Be brief.'), user('What is 6 * 7?')];
const HIDDEN = [{ text: 'Let me see. ', asks: [{ call: call('c1', '6*7'), gives: '42' }] }, { text: 'It is 42.' }];

test('a request leaves a trajectory, a step, a response and its messages, and shares the system prompt', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  expect(first.kept).toBe(true);
  expect(first.recording.continued).toBe(false);
  expect(first.recording.messages).toEqual(HELLO);
  expect(
    ['trajectories', 'steps', 'responses', 'messages', 'tool_sets', 'ledger'].map((table) => rows(gyre, table)),
  ).toEqual([1, 1, 1, 3, 1, 1]);
  await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  expect(['trajectories', 'steps', 'messages', 'tool_sets'].map((table) => rows(gyre, table))).toEqual([2, 2, 5, 1]);
  expect(verify(gyre.store.db)).toMatchObject({ ok: true, problems: [] });
});

test('a follow-up keeps its trajectory and gets the hidden tool turns back', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), HIDDEN);
  const again = [...HELLO, first.turn, user('And plus one?')];
  const second = await answer(gyre.log, opening(again), [{ text: '43' }]);
  expect(second.recording.continued).toBe(true);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  const [, last] = first.steps;
  expect(canonical(second.recording.messages)).toEqual(
    canonical([...(last?.messages ?? []), ...(last?.appended ?? []), user('And plus one?')]),
  );
  expect(canonical(stateOf(gyre.store.db, second.steps[0]?.id ?? '')?.messages ?? [])).toEqual(
    canonical(second.recording.messages),
  );
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('what both histories share stays in the words of the client', async () => {
  const gyre = opened();
  const named: Message[] = [
    { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] },
    { role: 'user', content: 'What is 6 * 7?', name: 'ada' },
  ];
  const first = await answer(gyre.log, opening(named), HIDDEN);
  const recording = gyre.log.open(opening([...named, first.turn, user('And?')]));
  expect(recording.messages.slice(0, 2)).toEqual(named);
  expect(recording.messages).toHaveLength(6);
});

test('fields a client library wraps around an answer do not hide it', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  const wrapped = {
    role: 'assistant',
    content: [{ type: 'text', text: '42' }],
    refusal: null,
    annotations: [],
  } as unknown as Message;
  const second = await answer(gyre.log, opening([...HELLO, wrapped, user('Thanks')]), [{ text: 'Welcome' }]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
});

test(
  'a client that reads the arguments of its call and writes them in its own way is ' +
    'known; one that changes them is not',
  async () => {
    const gyre = opened();
    const asks = [
      { call: call('c1', '6*7'), gives: '42' },
      { call: { id: 'c2', name: 'weather', arguments: '{"days": 2.0,"city":"Rome"}' } },
    ];
    const first = await answer(gyre.log, opening(HELLO), [{ text: '', asks }]);
    const resent = (args: string): Message[] => [
      ...HELLO,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c2', type: 'function', function: { name: 'weather', arguments: args } }],
      },
      toolSays('c2', 'sunny'),
    ];
    const changed = await answer(gyre.log, opening(resent('{"city":"Oslo","days":2}')), [{ text: 'No.' }]);
    expect(changed.recording.messages).toHaveLength(4);
    const second = await answer(gyre.log, opening(resent('{"city":"Rome","days":2}')), [{ text: 'Sunny, 42.' }]);
    expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
    // The policy has its own words back, those it was hidden included.
    expect(canonical(second.recording.messages)).toEqual(
      canonical([...HELLO, ...(first.steps[0]?.appended ?? []), toolSays('c2', 'sunny')]),
    );
    const third = await answer(
      gyre.log,
      opening([...resent('{ "days": 2, "city": "Rome" }'), second.turn, user('Thanks')]),
      [{ text: 'Welcome.' }],
    );
    expect(third.recording.trajectoryId).toBe(first.recording.trajectoryId);
    expect(third.recording.messages).toHaveLength(7);
    expect(canonical(stateOf(gyre.store.db, third.steps[0]?.id ?? '')?.messages ?? [])).toEqual(
      canonical(third.recording.messages),
    );
    expect(verify(gyre.store.db).problems).toEqual([]);
  },
);

test('going on from an older step is a branch: a new trajectory with the history spliced in', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), HIDDEN);
  const second = await answer(gyre.log, opening([...HELLO, first.turn, user('Plus one?')]), [{ text: '43' }]);
  const branch = await answer(gyre.log, opening([...HELLO, first.turn, user('Plus two?')]), [{ text: '44' }]);
  expect(branch.recording.continued).toBe(false);
  expect(branch.recording.trajectoryId).not.toBe(first.recording.trajectoryId);
  expect(branch.recording.messages).toHaveLength(6);
  const third = await answer(
    gyre.log,
    opening([...HELLO, first.turn, user('Plus two?'), branch.turn, user('Plus three?')]),
    [{ text: '45' }],
  );
  expect(third.recording.trajectoryId).toBe(branch.recording.trajectoryId);
  const longer = await answer(
    gyre.log,
    opening([...HELLO, first.turn, user('Plus one?'), second.turn, user('Plus four?')]),
    [{ text: '46' }],
  );
  expect(longer.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('an edited history starts anew and is left as it was sent', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), HIDDEN);
  const edited = [HELLO[0] as Message, user('What is 6 * 8?'), first.turn, user('Sure?')];
  const second = await answer(gyre.log, opening(edited), [{ text: 'No' }]);
  expect(second.recording.continued).toBe(false);
  expect(second.recording.trajectoryId).not.toBe(first.recording.trajectoryId);
  expect(second.recording.messages).toEqual(edited);
  const rewritten = gyre.log.open(opening([...HELLO, { role: 'assistant', content: 'It is 43.' }, user('Sure?')]));
  expect(rewritten.messages).toHaveLength(4);
});

test('another key finds nothing of a conversation it did not have', async () => {
  const gyre = opened();
  const mine = { asker: { keyId: 'key-a', consent: true } };
  const first = await answer(gyre.log, opening(HELLO, mine), HIDDEN);
  const again = [...HELLO, first.turn, user('And?')];
  const theirs = gyre.log.open(opening(again, { asker: { keyId: 'key-b', consent: true } }));
  expect(theirs.continued).toBe(false);
  expect(theirs.messages).toEqual(again);
  expect(gyre.log.open(opening(again)).messages).toEqual(again);
  expect(gyre.log.open(opening(again, mine)).continued).toBe(true);
});

test('a restart forgets nothing', async () => {
  const folder = temporaryFolder();
  const before = opened(folder);
  const first = await answer(before.log, opening(HELLO), HIDDEN);
  before.store.close();
  const after = opened(folder);
  const second = await answer(after.log, opening([...HELLO, first.turn, user('And?')]), [{ text: 'So be it.' }]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(second.recording.messages).toHaveLength(6);
  expect(readTrajectory(after.store.db, first.recording.trajectoryId)?.steps.map((step) => step.index)).toEqual([
    0, 1, 2,
  ]);
  expect(verify(after.store.db).problems).toEqual([]);
});

test('a follow-up is found while what it follows is still waiting for its commit', async () => {
  const gyre = opened(undefined, { flushMs: 60_000 });
  const first = gyre.log.open(opening(HELLO));
  const taken = stepOf(first.messages, action('42'));
  const waiting = Promise.all([first.step(taken, { role: 'assistant', content: '42' }), first.finish(DONE)]);
  const second = gyre.log.open(opening([...HELLO, { role: 'assistant', content: '42' }, user('And?')]));
  expect(second.trajectoryId).toBe(first.trajectoryId);
  expect(await waiting).toEqual([true, true]);
});

test('a mixed turn comes back whole: the policy keeps its server calls, the client resends only its own', async () => {
  const gyre = opened();
  const mixed = await answer(gyre.log, opening(HELLO), [
    { text: '', asks: [{ call: call('s1', '6*7'), gives: '42' }, { call: call('w1', '', 'weather') }] },
  ]);
  expect(mixed.turn.tool_calls?.map((made) => made.id)).toEqual(['w1']);
  const resent = [...HELLO, mixed.turn, toolSays('w1', 'sunny')];
  const second = await answer(gyre.log, opening(resent), [{ text: '42 and sunny' }]);
  expect(second.recording.trajectoryId).toBe(mixed.recording.trajectoryId);
  expect(canonical(second.recording.messages.slice(2))).toEqual(
    canonical([...(mixed.steps[0]?.appended ?? []), toolSays('w1', 'sunny')]),
  );
  const [whole] = readTrajectory(gyre.store.db, mixed.recording.trajectoryId)?.steps ?? [];
  expect(whole?.tool_calls).toEqual([
    { name: 'calculator', arguments: '{"expression":"6*7"}', owner: 'server', observation: '42' },
    { name: 'weather', arguments: '{"expression":""}', owner: 'client', observation: 'sunny' },
  ]);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('a turn that was only begun is no place to go on from', async () => {
  const gyre = opened();
  await answer(gyre.log, opening(HELLO), HIDDEN);
  const cut = gyre.log.open(opening([...HELLO, { role: 'assistant', content: 'Let me see. ' }, user('Well?')]));
  expect(cut.continued).toBe(false);
  expect(cut.messages).toHaveLength(4);
});

test('a message the loop puts between two steps belongs to the policy only', async () => {
  const gyre = opened();
  const recording = gyre.log.open(opening(HELLO));
  const asked = stepOf(recording.messages, action('Hm. ', [call('c1', '1')]), {
    appended: [
      {
        role: 'assistant',
        content: 'Hm. ',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'calculator', arguments: '{"expression":"1"}' } }],
      },
      toolSays('c1', '1'),
    ],
  });
  await recording.step(asked, { role: 'assistant', content: 'Hm. ' });
  const pressed = stepOf([...asked.messages, ...asked.appended, user('Answer now.')], action('One.'));
  await recording.step(pressed, { role: 'assistant', content: 'Hm. One.' });
  await recording.finish(DONE);
  const next = gyre.log.open(opening([...HELLO, { role: 'assistant', content: 'Hm. One.' }, user('Go on')]));
  expect(next.continued).toBe(true);
  expect(next.messages).toHaveLength(7);
  expect(
    gyre.log.open(opening([...HELLO, { role: 'assistant', content: 'Hm. ' }, user('Go on')])).messages,
  ).toHaveLength(4);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('asking again after a failure goes on in the same trajectory; asking for another answer is a branch', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  const again = [...HELLO, first.turn, user('And?')];
  const broken = gyre.log.open(opening(again));
  await broken.step(stepOf(broken.messages, undefined, { outcome: 'failed', notTrainable: 'engine_error' }), {
    role: 'assistant',
    content: '',
  });
  await broken.finish({ ...DONE, outcome: 'failed', stopReason: 'engine_error' });
  const retried = await answer(gyre.log, opening(again), [{ text: '43' }]);
  expect(retried.recording.trajectoryId).toBe(first.recording.trajectoryId);
  const other = await answer(gyre.log, opening(again), [{ text: '44' }]);
  expect(other.recording.trajectoryId).not.toBe(first.recording.trajectoryId);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('of two follow-ups at once one goes on and the other is a branch', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  const [a, b] = await Promise.all(
    ['one', 'two'].map((word) => answer(gyre.log, opening([...HELLO, first.turn, user(word)]), [{ text: word }])),
  );
  expect(a?.recording.continued).toBe(true);
  expect(b?.recording.continued).toBe(false);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('each of several choices can be gone on from', async () => {
  const gyre = opened();
  const recording = gyre.log.open(opening(HELLO));
  for (const text of ['forty-two', '42', 'XLII'])
    await recording.step(stepOf(recording.messages, action(text)), { role: 'assistant', content: text });
  await recording.finish(DONE);
  expect(verify(gyre.store.db).problems).toEqual([]);
  const next = await answer(gyre.log, opening([...HELLO, { role: 'assistant', content: '42' }, user('And?')]), [
    { text: 'so' },
  ]);
  expect(next.recording.trajectoryId).toBe(recording.trajectoryId);
  expect(gyre.log.open(opening([...HELLO, { role: 'assistant', content: 'XLII' }, user('And?')])).continued).toBe(
    false,
  );
});

test('evaluation and generation never go on from anything, and nothing goes on from them', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), HIDDEN);
  const again = [...HELLO, first.turn, user('And?')];
  for (const origin of ['evaluate', 'generate'] as const) {
    const asked = await answer(gyre.log, opening(again, { origin, taskId: 't1' }), [{ text: `as ${origin}` }]);
    expect(asked.recording.continued).toBe(false);
    expect(asked.recording.messages).toEqual(again);
    expect(gyre.log.open(opening([...again, asked.turn, user('Go on')])).trajectoryId).not.toBe(
      asked.recording.trajectoryId,
    );
  }
});

test('a history repaired for the engine is logged as the policy saw it, the action as it was emitted', async () => {
  const gyre = opened();
  const recording = gyre.log.open(opening(HELLO));
  const emitted = action('', [{ id: 'c1', name: 'calculator', arguments: '{"expression": "6*7"' }], {
    cut: true,
    finishReason: 'length',
  });
  const step = stepOf(recording.messages, emitted, {
    appended: [{ role: 'assistant', content: '' }],
    calls: [{ ...call('c1', ''), arguments: '{"expression": "6*7"', owner: 'server' }],
    notTrainable: 'cut',
  });
  await recording.step(step, { role: 'assistant', content: '' });
  await recording.finish({ ...DONE, outcome: 'incomplete', stopReason: 'max_tokens' });
  expect(stateOf(gyre.store.db, step.id)?.calls).toEqual([
    { id: 'c1', name: 'calculator', arguments: '{"expression": "6*7"' },
  ]);
  expect(readTrajectory(gyre.store.db, recording.trajectoryId)?.steps[0]?.tool_calls).toEqual([
    { name: 'calculator', arguments: '{"expression": "6*7"', owner: 'server', observation: null },
  ]);
  const next = gyre.log.open(opening([...HELLO, { role: 'assistant', content: '' }, user('Try again')]));
  expect(next.messages).toHaveLength(4);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('a log that cannot read goes on without splicing and counts it', async () => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  const reasons: unknown[] = [];
  const log = openLog(gyre.store, { failed: (reason) => reasons.push(reason) });
  gyre.store.close();
  const again = [...HELLO, first.turn, user('And?')];
  const second = await answer(log, opening(again), [{ text: '43' }]);
  expect(second.kept).toBe(false);
  expect(second.recording.messages).toEqual(again);
  expect(log.failures).toBe(reasons.length);
  expect(log.failures).toBeGreaterThanOrEqual(3);
});
