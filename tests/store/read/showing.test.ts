/** Trajectories whose steps, with their tokens, are more than is held at once. */
import { expect, test } from 'vitest';

import { listTrajectories } from '../../../src/store/read/listing.js';
import { showTrajectory, trajectoryPieces } from '../../../src/store/read/showing.js';
import { answer, opened, opening, user } from '../fixture.js';

const WHOLE = { view: 'client', tokens: true } as const;

/** Steps whose prompts grow, so that spelt out they are far more than what is stored. */
async function long(): Promise<{ store: ReturnType<typeof opened>['store']; id: string }> {
  const { store, log } = opened();
  const prompts = Array.from({ length: 40 }, (_, at) =>
    Array.from({ length: 100 * (at + 1) }, (__, id) => 10_000 + id),
  );
  const steps = prompts.map((prompt, at) => ({ text: `step ${at}`, prompt, ids: [20_000 + at] }));
  const { recording } = await answer(log, opening([user('q')]), steps);
  return { store, id: recording.trajectoryId };
}

test('one that is too large with its tokens is refused by its id, and shown without', async () => {
  const { store, id } = await long();
  expect(() => showTrajectory(store.db, id, WHOLE, undefined, 200_000)).toThrow(/more than 200000 characters/);
  expect(showTrajectory(store.db, id, { view: 'client', tokens: false }, undefined, 200_000)).toMatchObject({
    steps: { length: 40 },
  });
});

test('one that is too large is a summary in a list of whole ones, and the list goes on', async () => {
  const { store, id } = await long();
  const bounds = { rows: 10_000, ms: 60_000, chars: 1_000_000, one: 200_000 };
  const page = listTrajectories(store.db, { limit: 5 }, { shown: WHOLE }, bounds);
  expect(page).toMatchObject({ data: [{ id, too_large: true, counts: { steps: 40 } }], has_more: false });
});

test('in pieces it is the same JSON, however little is held', async () => {
  const { store, id } = await long();
  const whole = showTrajectory(store.db, id, WHOLE);
  for (const most of [0, 10_000, 100_000_000]) {
    const pieces = [...trajectoryPieces(store.db, id, WHOLE, most)];
    expect(JSON.parse(pieces.join(''))).toEqual(JSON.parse(JSON.stringify(whole)));
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(60_000);
  }
  expect([...trajectoryPieces(store.db, 'traj_none', WHOLE)]).toEqual([]);
});
