/** What constrained an action is no part of its state. */
import { expect, test } from 'vitest';

import { lookedAt } from '../../learner/counted.js';
import { action, DONE, opened, opening, stepOf, user } from '../fixture.js';

test('the state of a constrained action may be drawn from, and the action is not trained on', async () => {
  const { store, log } = opened();
  const recording = log.open(opening([user('Answer as JSON.')]));
  const taken = action('{"a":1}', [], { promptTokenIds: [1, 2], tokenIds: [3], logprobs: [-1] });
  await recording.step(stepOf(recording.messages, taken, { notTrainable: 'constrained' }), {
    role: 'assistant',
    content: '{"a":1}',
  });
  await recording.finish(DONE);
  const reasons = (['resample', 'logged', 'sft'] as const).map((mode) => lookedAt(store.db, 'none', mode)[0]?.reason);
  expect(reasons).toEqual(['', 'not_trainable:constrained', 'not_trainable:constrained']);
});
