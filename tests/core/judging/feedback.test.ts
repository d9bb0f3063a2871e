import { expect, test } from 'vitest';

import { type RatedStep, type Rating, ratingOf } from '../../../src/core/judging/feedback.js';

const ANSWER: RatedStep = { at: 1, isAnswer: true, isChoice: false };
const ON_THE_WAY: RatedStep = { at: 0, isAnswer: false, isChoice: false };
const by = (keyId: string, value: number, step?: number): Rating => ({ keyId, value, step });

test('a rating of the whole is sure of the answer and less of the way there', () => {
  expect(ratingOf([by('a', 1)], ANSWER)).toMatchObject({ good: true, score: 1, confidence: 0.8 });
  expect(ratingOf([by('a', -1)], ON_THE_WAY)).toMatchObject({ good: false, score: 0, confidence: 0.4 });
});

test('a rating of one step is about that one, and goes before one of the whole', () => {
  expect(ratingOf([by('a', 1, 0)], ANSWER)).toBeUndefined();
  expect(ratingOf([by('a', -1, 0), by('a', 1)], ON_THE_WAY)).toMatchObject({ good: false, confidence: 0.8 });
});

test('the newest rating of a key counts, however often the thumb is turned', () => {
  expect(ratingOf([by('a', 1), by('a', -1)], ANSWER)).toMatchObject({ good: false });
  expect(ratingOf([by('a', 1), by('a', -1), by('a', 1)], ANSWER)).toMatchObject({ good: true });
});

test('keys that are not of one mind have told nothing, nor has a rating in the middle', () => {
  expect(ratingOf([by('a', 1), by('b', -1)], ANSWER)).toMatchObject({ kind: 'absent' });
  expect(ratingOf([by('a', 0)], ANSWER)).toMatchObject({ kind: 'absent' });
  expect(ratingOf([by('a', 1), by('b', 0)], ANSWER)).toMatchObject({ good: true, score: 0.75 });
});

test('of several choices the whole does not say which is meant', () => {
  const choice = { ...ANSWER, isChoice: true };
  expect(ratingOf([by('a', 1)], choice)).toBeUndefined();
  expect(ratingOf([by('a', 1, 1)], choice)).toMatchObject({ good: true });
});

test('nobody has said anything where there is no rating', () => {
  expect(ratingOf([], ANSWER)).toBeUndefined();
});
