/** A judge that compares, against pairs of gold items. */
import { expect, test } from 'vitest';

import type { PairComparer, Preference } from '../../../src/core/judging/live.js';
import type { Subject } from '../../../src/core/learning/judging.js';
import { comparedOn, pairsIn } from '../../../src/learner/judges/pairing.js';

interface Gold {
  readonly subject: Subject;
  readonly truth: boolean;
}

function item(question: string, text: string, truth: boolean): Gold {
  const messages = [{ role: 'user', content: question }] as const;
  const subject: Subject = { kind: 'step', id: `${question} ${text}`, messages, tools: [], text, calls: [], index: 0 };
  return { subject, truth };
}

const gold = (states: number): readonly Gold[] =>
  Array.from({ length: states }, (_, at) => [item(`q${at}`, 'right', true), item(`q${at}`, 'wrong', false)]).flat();

function comparer(word: (first: string, second: string, id: string) => Preference): PairComparer {
  return {
    ...{ by: 'pairs', name: 'reader', judgeVersion: '1', version: 'c1' },
    compare: ({ first, second, id }) =>
      Promise.resolve({
        preference: word(first, second, id),
        cost: { promptTokens: 10, completionTokens: 1, ms: 1 },
      }),
  };
}

const asking = { signal: new AbortController().signal, progress: () => undefined };

test('a pair is a good and a bad item of one state, and each item is in one pair', () => {
  const items = [
    ...[item('q', 'a', true), item('q', 'b', true), item('q', 'c', false)],
    ...[item('other', 'd', false), item('third', 'e', true)],
  ];
  const pairs = pairsIn(items);
  expect(pairs).toHaveLength(1);
  expect(pairs[0]).toMatchObject({ bad: { text: 'c' } });
  expect(pairsIn([...items].reverse())).toEqual(pairs);
  expect(pairsIn(gold(7))).toHaveLength(7);
});

test('it is right where the good one is preferred in both orders', async () => {
  const honest = comparer((first) => (first === 'right' ? 'first' : 'second'));
  expect(await comparedOn(honest, gold(60), asking)).toEqual({ version: 'c1', n: 60, right: 60, wrong: 0, faults: 0 });
  const place = comparer(() => 'first');
  expect(await comparedOn(place, gold(60), asking)).toMatchObject({ n: 60, right: 0, wrong: 0 });
  const perverse = comparer((first) => (first === 'wrong' ? 'first' : 'second'));
  expect(await comparedOn(perverse, gold(60), asking)).toMatchObject({ right: 0, wrong: 60 });
});

test('a hundred pairs are asked at most, and what they took is told', async () => {
  let tokens = 0;
  const took = (cost: { readonly promptTokens: number }): void => void (tokens += cost.promptTokens);
  const said = await comparedOn(
    comparer(() => 'tie'),
    gold(130),
    { ...asking, took },
  );
  expect(said).toMatchObject({ n: 100, right: 0, wrong: 0 });
  expect(tokens).toBe(100 * 2 * 10);
});

test('with fewer than fifty pairs nothing is asked, and nothing is known', async () => {
  let asked = 0;
  const counting = comparer(() => {
    asked += 1;
    return 'tie';
  });
  expect(await comparedOn(counting, gold(49), asking)).toBeUndefined();
  expect(asked).toBe(0);
});

test('a pair that it could not be asked about counts for nothing', async () => {
  const failing = comparer((first, _, id) => {
    if (id.startsWith('q1 ')) throw new Error('away');
    return first === 'right' ? 'first' : 'second';
  });
  expect(await comparedOn(failing, gold(60), asking)).toMatchObject({ n: 59, right: 59, faults: 1 });
});
