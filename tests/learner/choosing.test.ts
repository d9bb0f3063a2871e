/** What a cycle takes up of what is open, by values alone. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { OpenState } from '../../src/core/learning/candidate.js';
import type { TrainMode } from '../../src/core/learning/cycle.js';
import type { StateWords } from '../../src/core/learning/state.js';
import { choose, type Known, type Room, shortlist } from '../../src/learner/choosing.js';
import { giversAmong } from '../../src/filter/shares.js';

const state = (stepId: string, more: Partial<OpenState> = {}): OpenState => ({
  stepId,
  trajectoryId: `of-${stepId}`,
  giver: undefined,
  visits: 0,
  lastRate: undefined,
  told: true,
  good: undefined,
  again: 0,
  ...more,
});
const many = (name: string, count: number, more: Partial<OpenState> = {}): OpenState[] =>
  Array.from({ length: count }, (_, at) => state(`${name}-${at}`, more));
const ROOM: Room = { max: 20, share: 0.2, givers: 1 };

const says = (content: string): StateWords => ({ messages: [{ role: 'user', content }], tools: [] });
const known = (states: readonly OpenState[], more: Partial<Known> = {}): Known => ({
  words: new Map(states.map(({ stepId }) => [stepId, says(`About ${stepId.replace('-', ' number ')}.`)])),
  consented: new Set(states.map(({ stepId }) => stepId)),
  heldOut: new Set(),
  ...more,
});
const taken = (open: readonly OpenState[], room: Room = ROOM, mode: TrainMode = 'resample'): string[] => {
  const { states } = shortlist(open, mode, room);
  return choose(states, known(states), room).claims.map(({ stepId }) => stepId);
};
const count = (ids: readonly string[], name: string): number => ids.filter((id) => id.startsWith(`${name}-`)).length;

const MIXED = { visits: 1, lastRate: 0.5 };
const ALIKE = { visits: 1, lastRate: 1 };

test('half of a batch is of mixed rewards, four tenths are new, and a tenth is what was alike', () => {
  const ids = taken([...many('new', 100), ...many('alike', 100, ALIKE), ...many('mixed', 100, MIXED)]);
  expect(['mixed', 'new', 'alike'].map((name) => count(ids, name))).toEqual([10, 8, 2]);
});

test('where there are none of a kind the others have its room', () => {
  expect(taken([...many('new', 3), ...many('alike', 100, ALIKE)])).toHaveLength(20);
  const ids = taken([...many('new', 100), ...many('mixed', 2, MIXED)]);
  expect([count(ids, 'mixed'), count(ids, 'new')]).toEqual([2, 18]);
});

test.each([
  ['none was good', { visits: 2, lastRate: 0 }],
  ['all were good', { visits: 2, lastRate: 1 }],
  ['nobody could tell', { visits: 2, lastRate: undefined }],
])('a state where %s is of the last kind', (_, more) => {
  const ids = taken([...many('last', 100, more), ...many('new', 100)]);
  expect(count(ids, 'last')).toBe(4);
});

test('of one conversation there are two states in a batch, and it is counted how many were too many', () => {
  const open = ['a', 'b', 'c'].flatMap((name) => many(name, 60, { trajectoryId: name, giver: 'ann' }));
  expect(taken(open)).toHaveLength(6);
  expect(shortlist(open, 'resample', ROOM).leftOut).toEqual({ same_trajectory: 174 });
});

test('three long conversations of one user never fill a batch: others have their room', () => {
  const flood = ['a', 'b', 'c'].flatMap((name) => many(name, 60, { trajectoryId: name, giver: 'ann' }));
  const others = ['bob', 'cyd', 'dan', 'eve'].flatMap((giver) => many(giver, 4, { giver }));
  const ids = taken([...flood, ...others], { ...ROOM, givers: 5 });
  expect(ids).toHaveLength(20);
  expect(['a', 'b', 'c'].reduce((sum, name) => sum + count(ids, name), 0)).toBe(4);
});

test('a key that asks a thousand things gives a fifth, and what it gave over is counted', () => {
  const open = [
    ...many('mal', 1_000, { giver: 'mal' }),
    ...['a', 'b', 'c', 'd'].flatMap((giver) => many(giver, 10, { giver })),
  ];
  const ids = taken(open, { ...ROOM, givers: 5 });
  expect(['mal', 'a', 'b', 'c', 'd'].map((name) => count(ids, name))).toEqual([4, 4, 4, 4, 4]);
});

test('what a judge that knows right from wrong has told of comes first', () => {
  const ids = taken([...many('untold', 100, { told: false }), ...many('told', 15, ALIKE)]);
  expect([count(ids, 'told'), count(ids, 'untold')]).toEqual([15, 5]);
});

test('what is imitated is good where there is anything good', () => {
  const ids = taken([...many('bad', 50, { good: false }), ...many('good', 12, { good: true })], ROOM, 'sft');
  expect([count(ids, 'good'), count(ids, 'bad')]).toEqual([12, 8]);
});

test('states that say nearly the same are one, and the others are used up with it', () => {
  const listed = [state('one'), state('two', { again: 3 }), state('three')];
  const words = new Map([
    ['one', says('Where is the nearest station?')],
    ['two', says('where is the nearest station ???')],
    ['three', says('Where is the nearest museum?')],
  ]);
  expect(choose(listed, known(listed, { words }), ROOM)).toEqual({
    claims: [
      { stepId: 'one', same: ['two'] },
      { stepId: 'three', same: [] },
    ],
    leftOut: { same_state: 4 },
  });
});

test('what may not be learned from is left out, and said', () => {
  const listed = [state('yes'), state('no'), state('held'), state('gone')];
  const words = known(listed.slice(0, 3)).words;
  const consented = new Set(['yes', 'held']);
  expect(choose(listed, known(listed, { words, consented, heldOut: new Set(['held']) }), ROOM)).toEqual({
    claims: [{ stepId: 'yes', same: [] }],
    leftOut: { no_consent: 1, heldout: 1 },
  });
});

test('keys that were heard lately share a batch with those that give', () => {
  expect(giversAmong(['ann', 'bob'], [state('x', { giver: 'ann' }), state('y', { giver: 'cyd' }), state('z')])).toBe(3);
});

test('whatever is open: no key has more than its share, no conversation more than two, and none is there twice', () => {
  const one = fc.record({
    giver: fc.constantFrom(undefined, 'a', 'b', 'c', 'd', 'e', 'f'),
    trajectory: fc.integer({ min: 0, max: 30 }),
    visits: fc.integer({ min: 0, max: 3 }),
    rate: fc.constantFrom(undefined, 0, 0.5, 1),
    told: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 200 }), fc.integer({ min: 1, max: 48 }), (rows, max) => {
      const open = rows.map(({ giver, trajectory, visits, rate, told }, at) =>
        state(`s-${at}`, { giver, trajectoryId: `${giver ?? ''}-${trajectory}`, visits, lastRate: rate, told }),
      );
      const room = { max, share: 0.2, givers: giversAmong([], open) };
      const { states } = shortlist(open, 'resample', room);
      const { claims } = choose(states, known(states), room);
      const chosen = claims.map(({ stepId }) => open.find((each) => each.stepId === stepId) as OpenState);
      expect(new Set(claims.map(({ stepId }) => stepId)).size).toBe(claims.length);
      expect(claims.length).toBeLessThanOrEqual(max);
      const counts = (of: (each: OpenState) => string | undefined): number[] => {
        const by = new Map<string, number>();
        for (const name of chosen.map(of)) if (name !== undefined) by.set(name, (by.get(name) ?? 0) + 1);
        return [...by.values()];
      };
      expect(Math.max(0, ...counts(({ trajectoryId }) => trajectoryId))).toBeLessThanOrEqual(2);
      const most = Math.max(1, Math.floor(Math.max(0.2, 1 / Math.max(1, room.givers)) * claims.length + 1e-9));
      expect(Math.max(0, ...counts(({ giver }) => giver))).toBeLessThanOrEqual(most);
    }),
  );
});
