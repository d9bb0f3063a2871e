import { expect, test } from 'vitest';

import { addFeedback } from '../../../src/store/read/feedback.js';
import { verify } from '../../../src/store/proof/verify.js';
import { answer, call, opened, opening, user } from '../fixture.js';

test('the same feedback twice is one row, other words are another', async () => {
  const { store, log } = opened();
  const {
    opening: { responseId },
  } = await answer(log, opening([user('q')]), [{ text: 'a' }]);
  const input = { responseId, keyId: '', within: undefined, value: 0.5, comment: 'nice' };
  const first = addFeedback(store.db, input);
  expect(first).toMatchObject({
    response_id: responseId,
    value: 0.5,
    comment: 'nice',
    step: null,
    demonstration: null,
  });
  expect(addFeedback(store.db, { ...input, at: 5 })).toEqual(first);
  expect(addFeedback(store.db, { ...input, comment: 'nicer' })?.id).not.toBe(first?.id);
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM feedback').get()).toEqual({ n: 2 });
  expect(verify(store.db).problems).toEqual([]);
});

test('a key speaks of its own responses only', async () => {
  const { store, log } = opened();
  const {
    opening: { responseId },
  } = await answer(log, opening([user('q')], { asker: { keyId: 'key-a', consent: true } }), [{ text: 'a' }]);
  expect(addFeedback(store.db, { responseId, keyId: 'key-b', within: 'key-b', value: 1 })).toBeUndefined();
  expect(addFeedback(store.db, { responseId, keyId: 'key-a', within: 'key-a', value: 1 })).toBeDefined();
  expect(addFeedback(store.db, { responseId, keyId: 'key-admin', within: undefined, value: 1 })).toBeDefined();
  expect(
    addFeedback(store.db, { responseId: 'chatcmpl-none', keyId: '', within: undefined, value: 1 }),
  ).toBeUndefined();
});

test('a step is one of the response, counted from 0', async () => {
  const { store, log } = opened();
  const first = await answer(log, opening([user('q')]), [
    { text: '', asks: [{ call: call('c', '1'), gives: '1' }] },
    { text: 'a' },
  ]);
  const {
    opening: { responseId },
  } = await answer(log, opening([user('q'), first.turn, user('r')]), [{ text: 'b' }]);
  expect(
    addFeedback(store.db, { responseId: first.opening.responseId, keyId: '', within: undefined, value: 1, step: 1 })
      ?.step,
  ).toBe(1);
  expect(() => addFeedback(store.db, { responseId, keyId: '', within: undefined, value: 1, step: 1 })).toThrow(
    /"step" is 1, but the response .* has 1 step, counted from 0/,
  );
});
