/** What matches is in no row of the log in any spelling, and a conversation goes on in the words as they are. */
import { expect, test } from 'vitest';

import type { Opening } from '../../../src/core/log.js';
import type { Message } from '../../../src/core/message.js';
import { MARK, redactorOf } from '../../../src/core/text/redact.js';
import { normaliseMessages } from '../../../src/core/text/spelling.js';
import type { Step } from '../../../src/core/trajectory.js';
import { verify } from '../../../src/store/proof/verify.js';
import { action, answer, DONE, opened, opening, stepOf, temporaryFolder, toolSays, user } from '../fixture.js';

const SECRET = 'sk-live-4815162342';
const ESCAPED = '{"key":"\\u0073k-live-4815162342"}';
const spelled = (args: string, id = 'c', name = 'f'): Message => ({
  role: 'assistant',
  content: null,
  tool_calls: [{ id, type: 'function', function: { name, arguments: args } }],
});
const inParts = (...parts: readonly unknown[]): Message =>
  ({
    role: 'user',
    content: parts.map((part) => (typeof part === 'string' ? { type: 'text', text: part } : part)),
  }) as Message;

test.each<[string, Partial<Opening> & { readonly messages: readonly Message[] }, Partial<Step>?]>([
  ['arguments in another spelling', { messages: [user('q'), spelled(ESCAPED)] }],
  ['arguments that are JSON in JSON', { messages: [user('q'), spelled(JSON.stringify({ a: ESCAPED }))] }],
  ['arguments that are cut off', { messages: [user('q'), spelled(ESCAPED.slice(0, -2))] }],
  ['arguments that name a field twice', { messages: [user('q'), spelled(`{"key":"x",${ESCAPED.slice(1)}`)] }],
  ['the name of a field in them', { messages: [user('q'), spelled('{"\\u0073k-live-4815162342":1}')] }],
  ['a text that quotes JSON', { messages: [user(`use ${ESCAPED}`)] }],
  ['an observation that quotes JSON', { messages: [user('q'), toolSays('c', `got ${ESCAPED}`)] }],
  ['a text in two parts', { messages: [inParts('use sk-live-48', '15162342 now')] }],
  ['a text in parts around an image', { messages: [inParts('sk-li', { type: 'image_url' }, 've-4815162342')] }],
  ['JSON in two parts, cut in an escape', { messages: [inParts('{"a":"\\u00', '73k-live-4815162342"}')] }],
  ['the kind of a part', { messages: [inParts('q', { type: SECRET })] }],
  [
    'a number in parameters',
    { messages: [user('q')] },
    { tools: [{ name: 'f', parameters: { maximum: 90_210_345 } }] },
  ],
  [
    'an example in parameters',
    { messages: [user('q')] },
    { tools: [{ name: 'f', parameters: { examples: [ESCAPED] } }] },
  ],
  [
    'sampling',
    { messages: [user('q')] },
    { sampling: { seed: 90_210_345, logit_bias: { [SECRET]: 1 }, stop: [ESCAPED] }, tools: [] },
  ],
  ['metadata', { messages: [user('q')], metadata: { note: ESCAPED } }],
])('what matches is in no row, nor any reading of one: %s', async (_place, { messages, ...more }, step = {}) => {
  const { store, log } = opened(temporaryFolder(), { redactor: redactorOf(['sk-live-\\d+', '90210345']) });
  const thread = log.open(opening(messages, more));
  expect(thread.messages).toEqual(normaliseMessages(messages));
  expect(await thread.step(stepOf(thread.messages, action('a'), step), { role: 'assistant', content: 'a' })).toBe(true);
  expect(await thread.finish(DONE)).toBe(true);
  const rows = ['messages', 'tool_sets', 'steps', 'trajectories'].map((table) =>
    JSON.stringify(store.sqlite.prepare(`SELECT * FROM ${table}`).all()),
  );
  let read = rows.join('\n');
  expect(read).toContain(MARK);
  for (let before = ''; before !== read;) {
    expect(read).not.toMatch(/ve-4815|4815162342|90210345/);
    before = read;
    read = read.replace(/\\(?:u([0-9a-f]{4})|(.))/gi, (_, code: string | undefined, char: string) =>
      code === undefined ? char : String.fromCharCode(Number.parseInt(code, 16)),
    );
  }
  expect(verify(store.db).problems).toEqual([]);
});

test.each(['{"to":"a@b.org"}', '{"b":1,"a":"a@b.org"}', '{"to": "a@b.org"}'])(
  'the policy is asked with the arguments of a call as they are, whatever their spelling: %s',
  (args) => {
    const { log } = opened(temporaryFolder(), { redactor: redactorOf(['a@b\\.org']) });
    const messages = [user('q'), spelled(args), toolSays('c', 'done')];
    expect(log.open(opening(messages)).messages).toEqual(normaliseMessages(messages));
  },
);

test('a number of a call that matches leaves JSON behind, and its conversation is known again', async () => {
  const { log } = opened(temporaryFolder(), { redactor: redactorOf(['4242']) });
  const asked = [user('pin?')];
  const first = await answer(log, opening(asked), [
    { text: '', asks: [{ call: { id: 'c1', name: 'pay', arguments: '{"pin":4242,"to":"bob"}' } }] },
  ]);
  const turn = spelled('{ "to": "bob", "pin": 4242 }', 'c1', 'pay');
  const next = log.open(opening([...asked, turn, toolSays('c1', 'done')]));
  expect(next).toMatchObject({ trajectoryId: first.recording.trajectoryId, continued: true });
});

test('sampling that matches makes a step that is not trained on, without what matched', async () => {
  const { store, log } = opened(temporaryFolder(), { redactor: redactorOf(['\\b\\d{16}\\b', 'secret']) });
  const thread = log.open(opening([user('q')]));
  const sampling = { seed: 4_111_111_111_111_111, logit_bias: { secret: 1, '7': 2 } };
  await thread.step(stepOf(thread.messages, action('a'), { sampling }), { role: 'assistant', content: 'a' });
  await thread.finish(DONE);
  expect(store.sqlite.prepare('SELECT sampling, not_trainable FROM steps').all()).toEqual([
    { sampling: '{"logit_bias":{"7":2}}', not_trainable: 'redacted' },
  ]);
});

test('metadata is held against patterns of JSON too, and stays an object', async () => {
  const { store, log } = opened(temporaryFolder(), { redactor: redactorOf(['"password":\\s*"[^"]*"']) });
  const thread = log.open(opening([user('q')], { metadata: { user: 'ann', password: 'hunter2' } }));
  await thread.step(stepOf(thread.messages, action('a')), { role: 'assistant', content: 'a' });
  await thread.finish(DONE);
  expect(store.sqlite.prepare('SELECT metadata FROM trajectories').all()).toEqual([
    { metadata: JSON.stringify({ user: 'ann', [MARK]: MARK }) },
  ]);
});

test('tools whose names match are counted under the mark', async () => {
  const { store, log } = opened(temporaryFolder(), { redactor: redactorOf(['secret_\\w+']) });
  const thread = log.open(opening([user('q')]));
  await thread.step(stepOf(thread.messages, action('a')), { role: 'assistant', content: 'a' });
  const by_tool = { secret_one: 1, search: 2, secret_two: 3 };
  await thread.finish({ ...DONE, toolUse: { requested: 6, executed: 6, by_tool } });
  expect(store.sqlite.prepare('SELECT tool_use FROM responses').all()).toEqual([
    { tool_use: JSON.stringify({ requested: 6, executed: 6, by_tool: { [MARK]: 4, search: 2 } }) },
  ]);
});
