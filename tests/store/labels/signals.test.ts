/** What the log itself says, as verdicts of the judge `signals`. */
import { expect, test } from 'vitest';

import { hearLog } from '../../../src/store/labels/signals.js';
import { verdictsOf } from '../../../src/store/learning/verdicts.js';
import { verify } from '../../../src/store/proof/verify.js';
import { assistantMessage, type Message } from '../../../src/core/message.js';
import type { Step } from '../../../src/core/trajectory.js';
import {
  action,
  answer,
  type Answered,
  call,
  DONE,
  opened,
  type Opened,
  opening,
  stepOf,
  toolSays,
  user,
} from '../fixture.js';

const hear = (o: Opened): void => {
  while (hearLog(o.store.db));
};
/** What is known of a step, by its newest verdict. */
const heard = (o: Opened, { steps }: Answered, at = steps.length - 1): string | undefined =>
  (verdictsOf(o.store.db, 'step', [steps[at]?.id ?? '']).get(steps[at]?.id ?? '') ?? [])
    .filter(({ judge }) => judge === 'signals')
    .sort((a, b) => a.createdAt - b.createdAt)
    .at(-1)?.rationale;
const say = (o: Opened, messages: readonly Message[], text: string, keyId = ''): Promise<Answered> =>
  answer(o.log, opening(messages, { asker: { keyId, consent: true } }), [{ text }]);

test('a user who goes on was content, one who corrects was not, and the newest answer has nothing', async () => {
  const o = opened();
  const first = await say(o, [user('one')], 'a');
  const second = await say(o, [user('one'), first.turn, user('thanks, and two?')], 'b');
  const third = await say(
    o,
    [user('one'), first.turn, user('thanks, and two?'), second.turn, user('No, that is wrong.')],
    'c',
  );
  hear(o);
  expect([heard(o, first), heard(o, second), heard(o, third)]).toEqual(['went_on', 'corrected', undefined]);
  // Of the answers as well.
  const responses = verdictsOf(o.store.db, 'response', [first.opening.responseId, second.opening.responseId]);
  expect(responses.size).toBe(2);
  expect(verify(o.store.db).problems).toEqual([]);
});

test('a client that goes back and asks the same again, or something else, was not content', async () => {
  const o = opened();
  const first = await say(o, [user('one')], 'a');
  const begun = [user('one'), first.turn];
  const again = await say(o, [...begun, user('two')], 'b');
  await say(o, [...begun, user('two')], 'b, otherwise');
  hear(o);
  expect(heard(o, again)).toBe('regenerated');
  const third = [...begun, user('two'), again.turn, user('three')];
  const edited = await say(o, third, 'c');
  await say(o, [...third.slice(0, -1), user('three, in euros')], 'd');
  hear(o);
  expect(heard(o, edited)).toBe('edited');
  // What was known of it stays, and what came is added.
  expect(heard(o, again)).toBe('regenerated, went_on');
});

test('another key, and a question that begins a conversation, say nothing of an answer', async () => {
  const o = opened();
  const first = await say(o, [user('one')], 'a', 'key-a');
  const second = await say(o, [user('one'), first.turn, user('two')], 'b', 'key-a');
  await say(o, [user('one')], 'otherwise', 'key-a');
  await say(o, [user('one'), first.turn, user('two')], 'b again', 'key-b');
  hear(o);
  expect(heard(o, second)).toBeUndefined();
  expect(heard(o, first)).toBe('went_on');
});

test('a tool that failed and a call that is made again are told of the step that called', async () => {
  const o = opened();
  const recording = o.log.open(opening([user('q')]));
  let messages: readonly Message[] = recording.messages;
  const steps: Step[] = [];
  for (const [id, expression, error] of [
    ['a', '1+1', undefined],
    ['b', '1/0', 'failed'],
    ['c', '1+1', undefined],
  ] as const) {
    const made = call(id, expression);
    const taken = action('', [made]);
    const appended = [assistantMessage('', [made]), toolSays(id, 'x')];
    const step = stepOf(messages, taken, {
      calls: [{ ...made, owner: 'server', observation: { content: 'x', ms: 1, error } }],
      appended,
    });
    await recording.step(step, assistantMessage('', []));
    steps.push(step);
    messages = [...messages, ...appended];
  }
  await recording.finish(DONE);
  hear(o);
  const of = (at: number) => verdictsOf(o.store.db, 'step', [steps[at]?.id ?? '']).get(steps[at]?.id ?? '')?.[0];
  expect([0, 1, 2].map((at) => of(at)?.rationale)).toEqual([undefined, 'tool_failed', 'called_again']);
  expect(of(1)).toMatchObject({ good: false, confidence: 0.4, judge: 'signals' });
});

test('of what was said without consent nothing is told', async () => {
  const o = opened();
  const secret = { asker: { keyId: '', consent: false } };
  const first = await answer(o.log, opening([user('one')], secret), [{ text: 'a' }]);
  await answer(o.log, opening([user('one'), first.turn, user('two')], secret), [{ text: 'b' }]);
  hear(o);
  expect(heard(o, first)).toBeUndefined();
});

test('each step is looked at once, a slice at a time', async () => {
  const o = opened();
  let messages: Message[] = [user('begin')];
  for (let at = 0; at < 620; at += 1) {
    const { turn } = await say(o, messages.slice(-3), `answer ${at}`);
    messages = [messages.at(-1) as Message, turn, user(`go on ${at}`)];
  }
  expect(hearLog(o.store.db)).toBe(true);
  expect(hearLog(o.store.db)).toBe(false);
  const count = () => o.store.sqlite.prepare('SELECT count(*) AS n FROM verdicts').get();
  const before = count();
  expect(hearLog(o.store.db)).toBe(false);
  expect(count()).toEqual(before);
});

test('it is asked for when the log is judged: the verb says whether there is more', async () => {
  const { learningStore } = await import('../../../src/store/clock/open.js');
  const o = opened();
  const first = await say(o, [user('one')], 'a');
  await say(o, [user('one'), first.turn, user('two')], 'b');
  const rows = learningStore(o.store.db, 'gyre');
  expect(await rows.verdicts.overheard()).toBe(false);
  expect(heard(o, first)).toBe('went_on');
});
