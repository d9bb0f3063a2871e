import { afterEach, expect, test, vi } from 'vitest';

import type { Judge, Judgement, Subject } from '../../src/core/learning/judging.js';
import { askAll } from '../../src/judge/ask.js';
import { type JudgeOfOne, oneByOne } from '../../src/judge/one_by_one.js';

afterEach(() => vi.useRealTimers());

const SUBJECT: Subject = { kind: 'step', id: 's', messages: [], tools: [], text: 'a', calls: [], index: 0 };
const NEVER = new AbortController().signal;

const judge = (name: string, judges: JudgeOfOne, kind: Judge['kind'] = 'model'): Judge => ({
  name,
  version: '1',
  kind,
  judge: oneByOne(judges),
});
const good = (): Promise<Judgement> => Promise.resolve({ kind: 'verdict', score: 1, good: true, rationale: 'yes' });

test('a judge that fails has given no verdict; the others are heard', async () => {
  const broken = judge('broken', () => Promise.reject(new Error('503: no route')));
  const { verdicts, faults } = await askAll([broken, judge('whole', good)], [SUBJECT], NEVER);
  expect(verdicts).toMatchObject([{ judge: 'whole', good: true, subjectKind: 'step', subjectId: 's' }]);
  expect(faults).toEqual([
    { subjectKind: 'step', subjectId: 's', judge: 'broken', judgeVersion: '1', reason: '503: no route' },
  ]);
});

test('one that cannot tell has given a verdict without a word, which is no fault', async () => {
  const absent = judge('absent', () => Promise.resolve({ kind: 'absent', reason: 'no reference' }));
  const { verdicts, faults } = await askAll([absent], [SUBJECT], NEVER);
  expect([faults, verdicts[0]?.good, verdicts[0]?.rationale]).toEqual([[], undefined, 'no reference']);
});

test.each(['that listens', 'that is deaf'])('a judge %s and takes too long has failed', async (how) => {
  vi.useFakeTimers();
  const slow = judge(
    'slow',
    (_, signal) =>
      new Promise((__, reject) => {
        if (how === 'that listens') signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  const asked = askAll([slow], [SUBJECT], NEVER);
  await vi.advanceTimersByTimeAsync(62_000);
  expect((await asked).faults).toMatchObject([{ judge: 'slow', reason: 'no verdict within 60 s' }]);
});

test.each([
  ['fails of it', (signal: AbortSignal): Promise<Judgement> => Promise.reject(signal.reason as Error)],
  ['makes a verdict of it', good],
])('where the whole is interrupted nothing is told, whether a judge %s', async (_, then) => {
  const stopping = new AbortController();
  const cut = judge('cut', (__, signal) => {
    stopping.abort(new Error('stop'));
    return then(signal);
  });
  await expect(askAll([cut], [SUBJECT], stopping.signal)).rejects.toThrow('stop');
  await expect(askAll([judge('whole', good)], [SUBJECT], stopping.signal)).rejects.toThrow('stop');
});

test('an interruption does not wait for a judge that is deaf', async () => {
  const stopping = new AbortController();
  const deaf = judge('deaf', () => {
    setImmediate(() => stopping.abort(new Error('stop')));
    return new Promise(() => undefined);
  });
  await expect(askAll([deaf], [SUBJECT], stopping.signal)).rejects.toThrow('stop');
});

test('about the outcome of a response only those are asked that can tell', async () => {
  const judges = [judge('reference', good, 'rule'), judge('well_formed', good, 'rule'), judge('model', good)];
  const { verdicts } = await askAll(judges, [{ ...SUBJECT, kind: 'response' }], NEVER);
  expect(verdicts.map((verdict) => verdict.judge)).toEqual(['reference', 'model']);
});

test.each([
  ['nothing', undefined, 'its answer is no judgement'],
  ['no number', { kind: 'verdict', score: NaN, good: true, rationale: '' }, '"score"'],
  ['a number beyond its scale', { kind: 'verdict', score: 7, good: true, rationale: '' }, '"score"'],
  ['neither good nor bad', { kind: 'verdict', score: 1, rationale: '' }, '"good"'],
  ['another kind', { kind: 'maybe' }, '"kind"'],
])('a judge that answers %s has failed', async (_, answer, says) => {
  const odd = judge('odd', () => Promise.resolve(answer as unknown as Judgement));
  const { verdicts, faults } = await askAll([odd, judge('whole', good)], [SUBJECT], NEVER);
  expect(verdicts).toMatchObject([{ judge: 'whole' }]);
  expect(faults).toMatchObject([{ judge: 'odd', reason: expect.stringContaining(says) as string }]);
});

test('a judge that throws at once has failed, too', async () => {
  const thrower = judge('thrower', () => {
    throw new Error('at once');
  });
  expect((await askAll([thrower], [SUBJECT], NEVER)).faults).toMatchObject([{ judge: 'thrower', reason: 'at once' }]);
});

test('what is drawn in one state is seen together, and one that fails of it fails alone', async () => {
  const seen: number[] = [];
  const ranks: Judge = {
    ...judge('ranks', good),
    judge: (subjects) => {
      seen.push(subjects.length);
      return Promise.resolve(
        subjects.map(({ id }) =>
          id === 'b'
            ? { kind: 'fault', reason: 'no number' }
            : { kind: 'verdict', score: id === 'a' ? 1 : 0.2, good: id === 'a', rationale: 'order' },
        ),
      );
    },
  };
  const { verdicts, faults } = await askAll(
    [ranks],
    ['a', 'b', 'c'].map((id) => ({ ...SUBJECT, id })),
    NEVER,
  );
  expect(seen).toEqual([3]);
  expect(verdicts.map(({ subjectId, score }) => [subjectId, score])).toEqual([
    ['a', 1],
    ['c', 0.2],
  ]);
  expect(faults).toMatchObject([{ subjectId: 'b', reason: 'no number' }]);
});

test('one that answers of fewer than it was asked of has failed of all', async () => {
  const short: Judge = { ...judge('short', good), judge: async () => [await good()] };
  const { verdicts, faults } = await askAll(
    [short],
    ['a', 'b'].map((id) => ({ ...SUBJECT, id })),
    NEVER,
  );
  expect(verdicts).toEqual([]);
  expect(faults.map(({ subjectId, reason }) => [subjectId, reason])).toEqual([
    ['a', 'it has not answered of each of 2 subjects'],
    ['b', 'it has not answered of each of 2 subjects'],
  ]);
});
