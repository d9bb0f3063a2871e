import { expect, test } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { isHeldOut, saveTasks } from '../../../src/store/learning/tasks.js';
import { answer, opened, opening, system, toolSays, user } from '../fixture.js';
import { lookedAt } from '../../learner/counted.js';

test('a held-out question is known where a client asks it, however its worked example spells a call', async () => {
  const { store, log } = opened();
  const asked = (spelling: string): Message[] => [
    system('Use the calculator.'),
    user('What is 14 * 23?'),
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'calculator', arguments: spelling } }],
    },
    toolSays('c', '322'),
    { role: 'assistant', content: 'It is 322.' },
    user('What is 17 * 23?'),
  ];
  saveTasks(store.db, [{ id: 'q', messages: asked('{"expression":"14 * 23"}'), split: 'heldout', metadata: {} }]);
  await answer(log, opening(asked('{ "expression" : "14 * 23" }')), [{ text: 'It is 391.', prompt: [1], ids: [2] }]);
  await answer(log, opening([user('What else?')]), [{ text: 'Nothing.', prompt: [1], ids: [2] }]);
  expect(lookedAt(store.db).map(({ heldout }) => heldout)).toEqual([true, false]);
});

test('a held-out question is known within a longer text, in other case and after a system prompt', async () => {
  const { store, log } = opened();
  saveTasks(store.db, [{ id: 'q', messages: [user('What is 17 * 23?')], split: 'heldout', metadata: {} }]);
  const heldOut = async (...messages: Message[]): Promise<boolean> => {
    const made = await answer(log, opening(messages), [{ text: 'It is 391.' }]);
    return isHeldOut(store.db, made.recording.trajectoryId);
  };
  expect(await heldOut(system('Be kind.'), user('so: WHAT IS 17 * 23'))).toBe(true);
  expect(await heldOut(system('Be kind.'), user('What is 17 * 24?'))).toBe(false);
});

test('what is held out is looked up anew when tasks change', async () => {
  const { store, log } = opened();
  const made = await answer(log, opening([user('What is 17 * 23?')]), [{ text: 'It is 391.' }]);
  const { trajectoryId } = made.recording;
  const task = { id: 'q', messages: [user('What is 17 * 23?')], metadata: {} };
  const seen: boolean[] = [];
  for (const split of ['train', 'heldout', 'train'] as const) {
    saveTasks(store.db, [{ ...task, split }]);
    seen.push(isHeldOut(store.db, trajectoryId));
  }
  expect(seen).toEqual([false, true, false]);
});
