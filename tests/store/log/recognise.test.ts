/** A conversation goes on whatever its client does to the turns it was given, and the policy has its own words back. */
import { expect, it, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { assistantMessage, canonicalMessage, type Message } from '../../../src/core/message.js';
import { verify } from '../../../src/store/proof/verify.js';
import { conversationOf } from '../../../src/store/read/conversation.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { action, answer, call, DONE, opened, opening, stepOf, toolSays, user } from '../fixture.js';

const canonical = (messages: readonly Message[]): unknown[] => messages.map(canonicalMessage);
const HELLO = [user('What is 6 * 7, and the weather?')];
const ARGS = '{"city": "Rome", "days": null, "units": ""}';
const WEATHER = { id: 'w1', name: 'weather', arguments: ARGS };
const MIXED = [{ text: 'Let me see. ', asks: [{ call: call('s1', '6*7'), gives: '42' }, { call: WEATHER }] }];

const turn = (content: unknown, args = ARGS, more: Record<string, unknown> = {}): Message =>
  ({
    role: 'assistant',
    content,
    tool_calls: [{ id: 'w1', type: 'function', function: { name: 'weather', arguments: args } }],
    ...more,
  }) as Message;

it.each<[string, Message]>([
  ['as it was', turn('Let me see. ')],
  ['trimmed', turn('Let me see.')],
  ['blank, as inspect-ai does', turn('\n')],
  ['empty', turn('')],
  ['null', turn(null)],
  ['as parts', turn([{ type: 'text', text: 'Let me see.' }])],
  ['as no parts', turn([])],
  ['with its reasoning in front', turn('<think>\nHm.\n</think>\n\nLet me see. ')],
  ['with its reasoning alone', turn('<think>Hm.</think>')],
  ['with other spacing and order in its arguments', turn(null, '{"units":"","days":null,"city":"Rome"}')],
  ['without its empty arguments', turn(null, '{"city":"Rome"}')],
  ['with fields of an SDK', turn(null, ARGS, { refusal: null, annotations: [], audio: null, function_call: null })],
])('a turn with calls that comes back %s', async (_name, resent) => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), MIXED);
  const sent = [...HELLO, resent, toolSays('w1', 'sunny')];
  const second = await answer(gyre.log, opening(sent), [{ text: ' 42 and sunny. ' }]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(canonical(second.recording.messages)).toEqual(
    canonical([...HELLO, ...(first.steps[0]?.appended ?? []), toolSays('w1', 'sunny')]),
  );
  // The client goes on sending its own form, and now that of the next answer too.
  const third = await answer(
    gyre.log,
    opening([...sent, { role: 'assistant', content: '42 and sunny.' }, user('Thanks')]),
    [{ text: 'Welcome.' }],
  );
  expect(third.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(canonical(third.recording.messages)).toEqual(
    canonical([...second.recording.messages, { role: 'assistant', content: ' 42 and sunny. ' }, user('Thanks')]),
  );
  // What the log says the client has is what it was given.
  expect(canonical(conversationOf(gyre.store.db, '', third.opening.responseId)?.messages ?? [])).toEqual(
    canonical([
      ...HELLO,
      first.turn,
      toolSays('w1', 'sunny'),
      { role: 'assistant', content: ' 42 and sunny. ' },
      user('Thanks'),
      { role: 'assistant', content: 'Welcome.' },
    ]),
  );
  expect(verify(gyre.store.db).problems).toEqual([]);
  removeTrajectory(gyre.store.db, GYRE_POLICY, first.recording.trajectoryId);
  expect(gyre.store.sqlite.prepare('SELECT count(*) AS n FROM messages').get()).toEqual({ n: 0 });
  expect(verify(gyre.store.db).problems).toEqual([]);
});

const CUT = '{"city": "Rome", "da';
it.each<[string, string]>([
  ['as they were', CUT],
  ['as an empty object', '{}'],
  ['as nothing', ''],
  ['encoded once more', JSON.stringify(CUT)],
  ['closed', '{"city": "Rome"}'],
  ['as the object the gateway makes of them', JSON.stringify({ malformed_arguments: CUT })],
])('a turn whose arguments were no JSON and come back %s', async (_name, args) => {
  const gyre = opened();
  const asks = [{ call: call('s1', '6*7'), gives: '42' }, { call: { ...WEATHER, arguments: CUT } }];
  const first = await answer(gyre.log, opening(HELLO), [{ text: 'Let me see. ', asks }]);
  const sent = [...HELLO, turn('Let me see. ', args), toolSays('w1', 'those are no arguments')];
  const second = await answer(gyre.log, opening(sent), [
    { text: 'Once more.', asks: [{ call: { ...WEATHER, id: 'w2' } }] },
  ]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  const known = [...HELLO, ...(first.steps[0]?.appended ?? []), toolSays('w1', 'those are no arguments')];
  expect(canonical(second.recording.messages)).toEqual(canonical(known));
  // It is still known where it is in the middle, before a turn that was well formed and one that was not.
  const later = [...sent, { ...turn(null), tool_calls: [wire('w2', ARGS)] } as Message, toolSays('w2', 'sunny')];
  const third = await answer(gyre.log, opening(later), [
    { text: '', asks: [{ call: { ...WEATHER, id: 'w3', arguments: '[]' } }] },
  ]);
  expect(third.recording.trajectoryId).toBe(first.recording.trajectoryId);
  const last = [...later, { ...turn(''), tool_calls: [wire('w3', args)] } as Message, toolSays('w3', 'no')];
  const fourth = await answer(gyre.log, opening(last), [{ text: 'Sunny.' }]);
  expect(fourth.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(fourth.recording.messages).toHaveLength(last.length + 1);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

const wire = (id: string, args: string): object => ({
  id,
  type: 'function',
  function: { name: 'weather', arguments: args },
});

test('arguments that were no JSON are no pass for another call', async () => {
  const gyre = opened();
  const asks = [{ call: { ...WEATHER, arguments: CUT } }];
  await answer(gyre.log, opening(HELLO), [{ text: '', asks }]);
  for (const other of [wire('w2', '{}'), { ...wire('w1', '{}'), function: { name: 'time', arguments: '{}' } }]) {
    const sent = [...HELLO, { ...turn(null), tool_calls: [other] } as Message, toolSays('w1', 'sunny')];
    expect(gyre.log.open(opening(sent)).continued).toBe(false);
  }
});

test('a turn whose arguments were no JSON is known while it waits for its commit', async () => {
  const gyre = opened(undefined, { flushMs: 60_000 });
  const broken = { ...WEATHER, arguments: CUT };
  const first = gyre.log.open(opening(HELLO));
  const taken = stepOf(first.messages, action('', [broken]));
  const waiting = Promise.all([first.step(taken, assistantMessage('', [broken])), first.finish(DONE)]);
  const second = gyre.log.open(opening([...HELLO, turn(null, '{}'), toolSays('w1', 'sunny')]));
  expect(second.trajectoryId).toBe(first.trajectoryId);
  expect(await waiting).toEqual([true, true]);
});

it.each<[string, string, string]>([
  ['keys in another order', '{"a": 1, "b": {"d": 2, "c": 3}}', '{"b":{"c":3,"d":2},"a":1}'],
  ['spaces and lines', '{"a":[1,2]}', '{\n  "a": [\n    1,\n    2\n  ]\n}'],
  ['escapes', '{"city": "K\u00f6ln \u2603 \ud83d\ude00 a\/b"}', '{"city":"Köln ☃ 😀 a/b"}'],
  ['words as escapes', '{"city": "Köln"}', '{"city":"K\\u00f6ln"}'],
  ['other forms of numbers', '{"a": 1.0, "b": 1e3, "c": -0}', '{"a":1,"b":1000,"c":0}'],
  ['a decimal as JavaScript has it', '{"z": 1, "a": 0.12345678901234567890123}', '{"a":0.12345678901234568,"z":1}'],
  ['an integer as JavaScript has it', '{"z": 1, "a": 12345678901234567890}', '{"a":12345678901234567000,"z":1}'],
])('arguments written down again with %s are the same', async (_name, args, again) => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [
    { text: '', asks: [{ call: { ...WEATHER, arguments: args } }] },
  ]);
  const second = gyre.log.open(opening([...HELLO, turn(null, again), toolSays('w1', 'sunny')]));
  expect(second.trajectoryId).toBe(first.recording.trajectoryId);
  expect(canonical(second.messages.slice(1, 2))).toEqual(canonical(first.steps[0]?.appended.slice(0, 1) ?? []));
});

it.each<[string, Message]>([
  ['other arguments', turn('Let me see. ', '{"city":"Oslo"}')],
  ['more arguments', turn('Let me see. ', '{"city":"Rome","days":2}')],
  ['another id', { ...turn(null), tool_calls: [{ id: 'abc123XYZ', type: 'function', function: WEATHER }] } as Message],
  ['no call', { role: 'assistant', content: 'Let me see. ' }],
])('a turn with %s is another turn', async (_name, resent) => {
  const gyre = opened();
  await answer(gyre.log, opening(HELLO), MIXED);
  const sent = [...HELLO, resent, toolSays('w1', 'sunny')];
  const second = gyre.log.open(opening(sent));
  expect(second.continued).toBe(false);
  expect(second.messages).toHaveLength(sent.length);
  expect(second.messages.slice(1).map(({ content }) => content)).toEqual([resent.content, 'sunny']);
});

it.each<[string, string, unknown]>([
  ['trimmed', ' It is 42.\n', 'It is 42.'],
  ['with its reasoning in front', 'It is 42.', '<think>6 * 7</think>\n\nIt is 42.'],
  ['without the reasoning that was in it', '<think>6 * 7</think>It is 42.', 'It is 42.'],
  [
    'as parts',
    'It is 42.',
    [
      { type: 'text', text: 'It is ' },
      { type: 'text', text: '42.' },
    ],
  ],
])('an answer in words that comes back %s', async (_name, text, content) => {
  const gyre = opened();
  const first = await answer(gyre.log, opening(HELLO), [
    { text: '', asks: [{ call: call('s1', '6*7'), gives: '42' }] },
    { text },
  ]);
  const second = await answer(gyre.log, opening([...HELLO, { role: 'assistant', content } as Message, user('And?')]), [
    { text: 'so' },
  ]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(canonical(second.recording.messages.slice(-2))).toEqual(
    canonical([{ role: 'assistant', content: text }, user('And?')]),
  );
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('another key does not find it in any form', async () => {
  const gyre = opened();
  await answer(gyre.log, opening(HELLO, { asker: { keyId: 'key-a', consent: true } }), MIXED);
  const sent = [...HELLO, turn('\n'), toolSays('w1', 'sunny')];
  expect(gyre.log.open(opening(sent, { asker: { keyId: 'key-b', consent: true } })).continued).toBe(false);
  expect(gyre.log.open(opening(sent, { asker: { keyId: 'key-a', consent: true } })).continued).toBe(true);
});

test('the very words come before a form of them', async () => {
  const gyre = opened();
  const plain = await answer(gyre.log, opening(HELLO), [{ text: '42' }]);
  const spaced = await answer(gyre.log, opening(HELLO), [{ text: ' 42' }]);
  const next = async (content: string): Promise<string> =>
    (await answer(gyre.log, opening([...HELLO, { role: 'assistant', content }, user('And?')]), [{ text: 'so' }]))
      .recording.trajectoryId;
  expect(await next('42')).toBe(plain.recording.trajectoryId);
  expect(await next(' 42')).toBe(spaced.recording.trajectoryId);
});

test('a form is found while the answer still waits for its commit', async () => {
  const gyre = opened(undefined, { flushMs: 60_000 });
  const first = gyre.log.open(opening(HELLO));
  const taken = stepOf(first.messages, action('Let me see. ', [WEATHER]));
  const waiting = Promise.all([first.step(taken, assistantMessage('Let me see. ', [WEATHER])), first.finish(DONE)]);
  const second = gyre.log.open(opening([...HELLO, turn('\n'), toolSays('w1', 'sunny')]));
  expect(second.trajectoryId).toBe(first.trajectoryId);
  expect(await waiting).toEqual([true, true]);
});

test('a form is looked up by an index', () => {
  const { store } = opened();
  const plan = store.sqlite
    .prepare(
      'EXPLAIN QUERY PLAN SELECT seq FROM steps s WHERE s.client_key = ? AND s.key_id = ? ORDER BY s.seq DESC LIMIT 16',
    )
    .all('a', 'b') as { readonly detail: string }[];
  expect(plan.map(({ detail }) => detail)).toEqual([expect.stringContaining('INDEX steps_client_key')]);
});

test.each([
  ['with other spacing and order', '{"id": 12345678901234567890, "note": null, "at": 1}'],
  ['without what is empty', '{"at":1,"id":12345678901234567890}'],
])('arguments with a long integer come back %s', async (_name, args) => {
  const gyre = opened();
  const said = { id: 'w1', name: 'weather', arguments: '{"at":1,"id":12345678901234567890,"note":null}' };
  const first = await answer(gyre.log, opening(HELLO), [{ text: '', asks: [{ call: said }] }]);
  const next = (json: string): boolean =>
    gyre.log.open(opening([...HELLO, turn('', json), toolSays('w1', 'x')])).continued;
  expect(first.recording.continued).toBe(false);
  expect(next(args.replace('7890', '7891'))).toBe(false);
  expect(next(args)).toBe(true);
});
