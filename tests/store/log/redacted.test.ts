/** What the operator's patterns match is in no file, and the policy is asked with the words all the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Message } from '../../../src/core/message.js';
import { MARK, type Redactor, redactorOf } from '../../../src/core/text/redact.js';
import type { Step } from '../../../src/core/trajectory.js';
import { keep } from '../../../src/filter/filter.js';
import { packU32 } from '../../../src/store/file/tokens.js';
import type { LocalLog } from '../../../src/store/log/local.js';
import { openLog } from '../../../src/store/log/log.js';
import { verify } from '../../../src/store/proof/verify.js';
import { conversationOf } from '../../../src/store/read/conversation.js';
import { readStep } from '../../../src/store/read/lineage.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { stateOf } from '../../../src/store/read/state.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import {
  action,
  answer,
  CALCULATOR,
  call,
  DONE,
  opened,
  type Opened,
  opening,
  stepOf,
  system,
  temporaryFolder,
  toolSays,
  user,
} from '../fixture.js';
import { lookedAt } from '../../learner/counted.js';

const SECRET = 'sk-live-4815162342';
const PATTERNS = ['sk-live-\\d+', '[\\w.]+@[\\w.]+\\.\\w+'];
const IDS = Array.from({ length: 24 }, (_, at) => 1_234_567 + at * 977);

function redactor(patterns: readonly string[] = PATTERNS): Redactor {
  const made = redactorOf(patterns);
  if (made === undefined) throw new Error('no patterns');
  return made;
}

interface Kept extends Opened {
  readonly folder: string;
}

function kept(folder = temporaryFolder()): Kept {
  return { folder, ...opened(folder, { redactor: redactor() }) };
}

function holding(folder: string, needles: readonly (string | Buffer)[]): string[] {
  return readdirSync(folder).filter((file) =>
    needles.some((needle) => readFileSync(join(folder, file)).includes(needle)),
  );
}

test('without patterns there is no redactor, and with some nothing is touched that does not match', () => {
  expect(redactorOf([])).toBeUndefined();
  const made = redactor();
  const messages: Message[] = [
    system('plain'),
    user('words'),
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'image_url', image_url: { url: 'data:x' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":"\\n"}' } }],
    },
  ];
  expect(made.messages(messages)).toBe(messages);
  const step = stepOf(messages, action('fine', [call('c', '1')], { reasoning: 'so', tokenIds: [1] }), {
    sampling: { stop: ['x'], logit_bias: { '48151': 1 } },
  });
  expect(made.step(step, { role: 'assistant', content: 'fine' }, false)[0]).toBe(step);
});

test('nothing that matches is in any file, whatever field it was in, nor the ids that spell it', async () => {
  const { folder, store, log } = kept();
  const tools = [
    {
      ...CALCULATOR,
      description: `for ${SECRET}`,
      parameters: { type: 'object', properties: { [SECRET]: { description: SECRET } } },
    },
  ];
  const asked = [system(`rules of ${SECRET}`), user(`I am a.b@c.org, my key is ${SECRET}`)];
  const recording = log.open(
    opening(asked, { metadata: { note: SECRET, gyre_task: SECRET }, taskId: SECRET, requestId: SECRET }),
  );
  expect(recording.messages).toBe(recording.messages);
  expect(recording.messages).toEqual(asked);
  const made = call(SECRET, SECRET);
  const appended: Message[] = [
    {
      role: 'assistant',
      content: SECRET,
      tool_calls: [{ id: made.id, type: 'function', function: { name: made.name, arguments: made.arguments } }],
    },
    toolSays(SECRET, `found ${SECRET}`),
  ];
  const step: Step = stepOf(
    asked,
    action(SECRET, [made], { reasoning: SECRET, promptTokenIds: IDS, tokenIds: IDS, logprobs: IDS.map(() => -1) }),
    {
      tools,
      toolChoice: { name: SECRET },
      sampling: { stop: [SECRET] },
      appended,
      calls: [{ ...made, owner: 'server', observation: { content: SECRET, ms: 1 } }],
    },
  );
  expect(await recording.step(step, { role: 'assistant', content: SECRET })).toBe(true);
  expect(await recording.finish(DONE)).toBe(true);
  expect(holding(folder, [SECRET, 'a.b@c.org', packU32(IDS), packU32(IDS).subarray(8, 40)])).toEqual([]);
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { steps: 1 } });
  expect(readTrajectory(store.db, recording.trajectoryId)?.steps).toMatchObject([
    {
      action: MARK,
      prompt_token_ids: null,
      token_ids: null,
      logprobs: null,
      trainable: false,
      not_trainable_reason: 'redacted',
      tool_calls: [{ name: 'calculator', arguments: `{"expression":"${MARK}"}`, observation: `found ${MARK}` }],
    },
  ]);
  expect(readStep(store.db, GYRE_POLICY, step.id)).toMatchObject({
    messages: [{ content: `rules of ${MARK}` }, { content: `I am ${MARK}, my key is ${MARK}` }],
    tools: [{ description: `for ${MARK}` }],
  });
});

const HIDDEN = { text: '', asks: [{ call: call('c1', '17*23'), gives: '391' }], prompt: [1, 2, 3], ids: [4, 5] };

test('a conversation with something redacted goes on, in its trajectory and in the words of its client', async () => {
  const { folder, store, log } = kept();
  const asked = [user(`17*23? My key is ${SECRET}.`)];
  const first = await answer(log, opening(asked), [
    HIDDEN,
    { text: `391, and ${SECRET} is no number.`, prompt: [1, 2, 3, 4, 5, 6], ids: [7] },
  ]);
  const next = [...asked, first.turn, user('Sure?')];
  const second = await answer(log, opening(next), [{ text: 'Yes.', prompt: [9, 9], ids: [8] }]);
  expect(second.recording).toMatchObject({ trajectoryId: first.recording.trajectoryId, continued: true });
  expect(second.recording.messages).toEqual(next);
  expect(second.steps[0]?.messages).toEqual(next);
  // The log has the same, redacted; its third step rests on what the client has.
  expect(stateOf(store.db, second.steps[0]?.id ?? '')?.messages).toEqual([
    user(`17*23? My key is ${MARK}.`),
    { role: 'assistant', content: `391, and ${MARK} is no number.` },
    user('Sure?'),
  ]);
  const third = await answer(log, opening([...next, second.turn, user('Thanks')]), [{ text: 'Welcome.' }]);
  expect(third.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(
    readTrajectory(store.db, first.recording.trajectoryId)?.steps.map((step) => [
      step.index,
      step.not_trainable_reason,
      step.token_ids,
    ]),
  ).toEqual([0, 1, 2, 3].map((at) => [at, 'redacted', null]));
  expect(verify(store.db).problems).toEqual([]);
  expect(holding(folder, [SECRET])).toEqual([]);
  expect(removeTrajectory(store.db, GYRE_POLICY, first.recording.trajectoryId)).toBeDefined();
  expect(verify(store.db).problems).toEqual([]);
  for (const table of ['messages', 'tool_sets', 'steps', 'responses', 'trajectories'])
    expect(store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 });
});

test('whole hidden turns are put back, and what the client says after them reaches the policy as it is', async () => {
  const { store, log } = kept();
  const first = await answer(log, opening([user('17*23?')]), [
    HIDDEN,
    { text: 'It is 391.', prompt: [1, 2, 3, 4, 5, 6], ids: [7] },
  ]);
  const second = await answer(log, opening([user('17*23?'), first.turn, user(`Mail it to a@b.org`)]), [
    { text: 'Sent.', prompt: [1, 2, 3, 4, 5, 6, 7, 8], ids: [9] },
  ]);
  expect(second.recording.messages.map((message) => message.role)).toEqual([
    'user',
    'assistant',
    'tool',
    'assistant',
    'user',
  ]);
  expect(second.recording.messages.at(-1)).toEqual(user('Mail it to a@b.org'));
  expect(
    readTrajectory(store.db, first.recording.trajectoryId)?.steps.map((step) => [
      step.not_trainable_reason,
      step.token_ids,
    ]),
  ).toEqual([
    [undefined, [4, 5]],
    [undefined, [7]],
    ['redacted', null],
  ]);
  expect(verify(store.db).problems).toEqual([]);
});

test('redacted hidden turns are left out for good: what follows is whole, and may be learned from', async () => {
  const { store, log } = kept();
  const first = await answer(log, opening([user('Whose is it?')]), [
    { text: '', asks: [{ call: call('c1', 'owner'), gives: 'a@b.org' }], prompt: [1, 2], ids: [3] },
    { text: 'A customer.', prompt: [1, 2, 3, 4], ids: [5] },
  ]);
  const second = await answer(log, opening([user('Whose is it?'), first.turn, user('Sure?')]), [
    { text: 'Yes.', prompt: [1, 2, 6], ids: [7] },
  ]);
  expect(second.recording.trajectoryId).toBe(first.recording.trajectoryId);
  expect(second.recording.messages).toEqual([user('Whose is it?'), first.turn, user('Sure?')]);
  expect(
    readTrajectory(store.db, first.recording.trajectoryId)?.steps.map((step) => [
      step.not_trainable_reason,
      step.prompt_token_ids,
    ]),
  ).toEqual([
    ['redacted', null],
    ['redacted', null],
    [undefined, [1, 2, 6]],
  ]);
  expect(verify(store.db).problems).toEqual([]);
});

test('two conversations that differ only in what is redacted get no words or hidden turns of each other', async () => {
  const { log } = kept();
  const ask = (mail: string, balance: string): Promise<Awaited<ReturnType<typeof answer>>> =>
    answer(log, opening([user(`Balance of ${mail}?`)]), [
      { text: '', asks: [{ call: call('c1', 'balance'), gives: balance }] },
      { text: 'It is positive.' },
    ]);
  const anns = await ask('ann@x.org', '17');
  const bobs = await ask('bob@x.org', '99');
  for (const [mail, before] of [
    ['ann@x.org', anns],
    ['bob@x.org', bobs],
  ] as const) {
    const messages = [user(`Balance of ${mail}?`), before.turn, user('How much?')];
    expect(log.open(opening(messages)).messages).toEqual(messages);
  }
});

test(
  'a name and what is sent to the engine besides are in the prompt: they take its ' +
    'ids without being logged themselves',
  async () => {
    for (const more of [
      { messages: [{ ...user('q'), name: SECRET } as Message] },
      { forwarded: { documents: [{ text: SECRET }] } },
    ]) {
      const { folder, store, log } = kept();
      const answered = await answer(log, opening([user('q')], more), [{ text: 'a', prompt: IDS, ids: [1] }]);
      expect(readTrajectory(store.db, answered.recording.trajectoryId)?.steps).toMatchObject([
        { action: 'a', prompt_token_ids: null, not_trainable_reason: 'redacted' },
      ]);
      expect(holding(folder, [SECRET, packU32(IDS)])).toEqual([]);
    }
  },
);

test('metadata is redacted and taints no step', async () => {
  const { store, log } = kept();
  const answered = await answer(log, opening([user('q')], { metadata: { by: 'a@b.org' } }), [
    { text: 'a', prompt: [1], ids: [2] },
  ]);
  expect(readTrajectory(store.db, answered.recording.trajectoryId)?.steps).toMatchObject([
    { trainable: true, token_ids: [2] },
  ]);
  expect(store.sqlite.prepare('SELECT metadata FROM trajectories').get()).toEqual({
    metadata: JSON.stringify({ by: MARK }),
  });
});

test('of several choices only those that say it are redacted', async () => {
  const { store, log } = kept();
  const asked = [user('q')];
  const recording = log.open(opening(asked));
  const [clean, spelled] = ['fine', `no: ${SECRET}`].map((text) =>
    stepOf(recording.messages, action(text, [], { promptTokenIds: [1], tokenIds: [2], logprobs: [-1] })),
  );
  if (clean === undefined || spelled === undefined) throw new Error('two steps');
  void recording.step(spelled, { role: 'assistant', content: `no: ${SECRET}` });
  void recording.step(clean, { role: 'assistant', content: 'fine' });
  expect(await recording.finish(DONE)).toBe(true);
  expect(readTrajectory(store.db, recording.trajectoryId)?.steps.map((step) => [step.action, step.trainable])).toEqual([
    [`no: ${MARK}`, false],
    ['fine', true],
  ]);
  expect(verify(store.db).problems).toEqual([]);
});

test('no filter takes a redacted step up, and each says why', async () => {
  const { store, log } = kept();
  await answer(log, opening([user(SECRET)]), [{ text: 'a', prompt: [1], ids: [2] }]);
  for (const mode of ['resample', 'logged', 'sft'] as const) {
    const [row] = lookedAt(store.db, 'none', mode);
    expect(row).toMatchObject({ hasState: false, notTrainable: 'redacted', reason: 'not_trainable:redacted' });
    expect(
      keep(
        {
          policyVersion: 0,
          consent: true,
          heldout: false,
          evaluated: false,
          finished: true,
          hasState: false,
          told: false,
          withdrawn: false,
          notTrainable: 'redacted',
        },
        'none',
        mode,
        0,
      ),
    ).toEqual({ keep: false, reason: 'not_trainable:redacted' });
  }
});

test('a conversation is gone on from by its id only where all of it is on record', async () => {
  const { store, log } = kept();
  const clean = await answer(log, opening([user('q')]), [{ text: 'a' }]);
  const hidden = await answer(log, opening([user('Whose?')]), [
    { text: '', asks: [{ call: call('c1', 'x'), gives: SECRET }] },
    { text: 'Known.' },
  ]);
  const shown = await answer(log, opening([user(SECRET)]), [{ text: 'a' }]);
  expect(conversationOf(store.db, '', clean.opening.responseId)?.messages).toEqual([user('q'), clean.turn]);
  expect(conversationOf(store.db, '', hidden.opening.responseId)?.messages).toEqual([user('Whose?'), hidden.turn]);
  expect(() => conversationOf(store.db, '', shown.opening.responseId)).toThrow(
    /logged with parts of it redacted.*Send its items in "input" instead/,
  );
  expect(conversationOf(store.db, 'key-other', shown.opening.responseId)).toBeUndefined();
});

test('a gateway whose patterns were taken away keeps to what was redacted before', async () => {
  const { folder, store, log } = kept();
  const first = await answer(log, opening([user('Whose is it?')]), [
    { text: '', asks: [{ call: call('c1', 'owner'), gives: 'a@b.org' }] },
    { text: 'A customer.' },
  ]);
  const plain: LocalLog = openLog(store);
  const messages = [user('Whose is it?'), first.turn, user('Sure?')];
  expect(plain.open(opening(messages)).messages).toEqual(messages);
  expect(holding(folder, ['a@b.org'])).toEqual([]);
});
