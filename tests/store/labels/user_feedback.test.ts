/** What users said of a step, in words, as a judge may be shown it. */
import { expect, test } from 'vitest';

import { userFeedback } from '../../../src/store/labels/user_feedback.js';
import { addFeedback, type NewFeedback } from '../../../src/store/read/feedback.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { answer, call, opened, type Opened, opening, user } from '../fixture.js';

async function twoSteps(o: Opened) {
  const answered = await answer(o.log, opening([user('q')]), [
    { text: '', asks: [{ call: call('c', '1+1'), gives: '2' }], prompt: [1], ids: [2] },
    { text: 'It is 2.', prompt: [1, 2, 3], ids: [4] },
  ]);
  const [first, last] = answered.steps.map(({ id }) => id) as [string, string];
  return { first, last, responseId: answered.opening.responseId };
}

const rate = (o: Opened, responseId: string, more: Partial<NewFeedback>) =>
  addFeedback(o.store.db, { responseId, keyId: '', within: undefined, ...more });

test('a thumb is told of the answer, and of a step on the way as of the whole', async () => {
  const o = opened();
  const { first, last, responseId } = await twoSteps(o);
  expect(userFeedback(o.store.db, last, responseId)).toBeUndefined();
  rate(o, responseId, { value: -1, comment: 'the sum is wrong' });
  expect(userFeedback(o.store.db, last, responseId)).toBe('rated bad\ncomment: the sum is wrong');
  expect(userFeedback(o.store.db, first, responseId)).toBe(
    'rated bad, the whole answer that it is a part of\ncomment: the sum is wrong',
  );
});

test('of one step only that step is told, and the newest rating counts', async () => {
  const o = opened();
  const { first, last, responseId } = await twoSteps(o);
  rate(o, responseId, { value: -1, step: 0 });
  rate(o, responseId, { value: 1, step: 0 });
  expect(userFeedback(o.store.db, first, responseId)).toBe('rated good');
  expect(userFeedback(o.store.db, last, responseId)).toBeUndefined();
});

test('keys that are not of one mind are told so; what the answer should have been is not told', async () => {
  const o = opened();
  const { last, responseId } = await twoSteps(o);
  rate(o, responseId, { value: 1, keyId: 'a', demonstration: 'It is TWO.' });
  rate(o, responseId, { value: -1, keyId: 'b' });
  expect(userFeedback(o.store.db, last, responseId)).toBe('rated good by 1 and bad by 1');
  for (const comment of ['one', 'two', 'three', 'three', 'four']) rate(o, responseId, { comment });
  expect(userFeedback(o.store.db, last, responseId)).toBe(
    'rated good by 1 and bad by 1\ncomment: two\ncomment: three\ncomment: four',
  );
});

test('whoever reads logged steps with what came after has it, and whoever does not has none', async () => {
  const o = opened();
  const { last, responseId } = await twoSteps(o);
  rate(o, responseId, { value: 1 });
  const { steps } = learningStore(o.store.db, GYRE_POLICY);
  expect((await steps.asked([last], 'after')).get(last)?.feedback).toBe('rated good');
  expect((await steps.asked([last])).get(last)).not.toHaveProperty('feedback');
});
