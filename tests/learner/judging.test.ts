/** Judging as a function of what a store hands out: without a database. */
import { expect, test, vi } from 'vitest';

import { GyreError } from '../../src/core/errors.js';
import { declaredJudges } from '../../src/core/learning/deciding.js';
import type { Judge, Judged, Judgement, JudgingTurn, Unjudged, Verdict } from '../../src/core/learning/judging.js';
import type { Sample } from '../../src/core/learning/sample.js';
import type { AskedState } from '../../src/core/learning/state.js';
import type { LearningStore } from '../../src/core/ports.js';
import { type JudgeOfOne, oneByOne } from '../../src/judge/one_by_one.js';
import { judgedOf, judgeLog, judgeSamples, toAskOf } from '../../src/learner/judging.js';

const TOOLBOX = new Map();
const TURN: JudgingTurn = { late: [], noLongerLate: [], retried: [] };
const GOOD: Judgement = { kind: 'verdict', score: 1, good: true, rationale: '' };

const judge = (name: string, says: JudgeOfOne = () => GOOD, kind: Judge['kind'] = 'rule'): Judge => ({
  name,
  version: '1',
  kind,
  judge: oneByOne(says),
});

const asked = (stepId: string, more: Partial<AskedState> = {}): AskedState => ({
  state: {
    stepId,
    trajectoryId: 't',
    keyId: '',
    index: 0,
    origin: 'live',
    consent: true,
    messages: [{ role: 'user', content: 'q' }],
    tools: [],
    toolChoice: 'auto',
    callsAllowed: false,
    sampling: {},
    temperature: 1,
    text: 'a',
    calls: [],
  },
  asksTask: false,
  byAdmin: false,
  ...more,
});

const step = (id: string, judges: readonly string[]): Unjudged => ({ kind: 'step', id, stepId: id, judges });
const TASK = { id: 'task', split: 'train', messages: [], reference: '4', metadata: {} } as const;

interface Kept {
  readonly judged: Judged;
  readonly turn: JudgingTurn | undefined;
}

/** A store that hands out these slices, one after the other, and keeps what it is given. */
function store(
  slices: readonly (readonly Unjudged[])[],
  {
    gone = [],
    samples = [],
    known = new Map(),
  }: {
    gone?: readonly string[];
    samples?: readonly Sample[];
    known?: ReadonlyMap<string, readonly Verdict[]>;
  } = {},
): { readonly rows: LearningStore; readonly kept: Kept[]; readonly turns: string[][] } {
  const left = slices.map((subjects) => ({ subjects, turn: TURN }));
  const kept: Kept[] = [];
  const turns: string[][] = [];
  const rows = {
    verdicts: {
      overheard: () => Promise.resolve(false),
      redecide: () => Promise.resolve(false),
      unjudged: (judges: readonly Judge[]) => {
        turns.push(judges.map(({ name }) => name));
        return Promise.resolve(left.shift());
      },
      save: (judged: Judged, turn?: JudgingTurn) => {
        kept.push({ judged, turn });
        return Promise.resolve();
      },
      of: () => Promise.resolve(known),
    },
    steps: {
      asked: (ids: readonly string[]) =>
        Promise.resolve(new Map(ids.filter((id) => !gone.includes(id)).map((id) => [id, asked(id)]))),
    },
    samples: { of: () => Promise.resolve(samples) },
  };
  return { rows: rows as unknown as LearningStore, kept, turns };
}

/** With a model that may reward. */
const DECLARED = declaredJudges({
  rewards: ['person', 'model', 'reference'],
  configured: [{ name: 'model', kind: 'model' }],
  calibrated: new Set(['model']),
});

const judging = (rows: LearningStore, judges: readonly Judge[], signal = new AbortController().signal) => ({
  rows,
  judges,
  declared: DECLARED,
  toolbox: TOOLBOX,
  signal,
  progress: () => undefined,
});

const said = ({ judged }: Kept): string[] =>
  judged.verdicts.map((verdict) => `${verdict.subjectId} ${verdict.judge}`).sort();

test('each slice is judged and kept with its turn, and only those are asked that have to look', async () => {
  const { rows, kept } = store([[step('a', ['x', 'y']), step('b', ['y'])], [step('c', ['x'])]]);
  expect(await judgeLog(judging(rows, [judge('x'), judge('y')]))).toMatchObject({ judged: 4 });
  expect(kept.map(said)).toEqual([['a x', 'a y', 'b y'], ['c x']]);
  expect(kept.map(({ turn }) => turn)).toEqual([TURN, TURN]);
});

test('others have their turn between two slices: who started the cycle waits for its row', async () => {
  let turned = false;
  const seen: boolean[] = [];
  const looks = judge('x', () => {
    seen.push(turned);
    return Promise.resolve(GOOD);
  });
  setImmediate(() => (turned = true));
  await judgeLog(judging(store([[step('a', ['x'])], [step('b', ['x'])]]).rows, [looks]));
  expect(seen).toEqual([false, true]);
});

test('of a step that is gone nothing is kept but that it had its turn', async () => {
  const { rows, kept } = store([[step('a', ['x'])]], { gone: ['a'] });
  await judgeLog(judging(rows, [judge('x')]));
  expect(kept).toMatchObject([{ judged: { verdicts: [], faults: [] }, turn: TURN }]);
});

test('a judge that fails is no verdict, and is counted', async () => {
  const { rows, kept } = store([[step('a', ['model', 'y'])]]);
  const judges = [judge('model', () => Promise.reject(new Error('503'))), judge('y')];
  expect(await judgeLog(judging(rows, judges))).toEqual({ judged: 1, judge_faults: 1, unknown_judge: 1 });
  expect(kept[0]?.judged.faults).toMatchObject([{ subjectId: 'a', stepId: 'a', judge: 'model', reason: '503' }]);
  expect(kept.map(said)).toEqual([['a y']]);
});

test('a judge that fails and fails is not asked for each step, and the others go on without it', async () => {
  const many = (from: number): readonly Unjudged[] =>
    Array.from({ length: 50 }, (_, at) => step(`s${from + at}`, ['reference', 'well_formed']));
  const { rows, kept, turns } = store([many(0), many(50)]);
  const down = vi.fn<JudgeOfOne>(() => Promise.reject(new Error('503')));
  const judges = [judge('reference', down), judge('well_formed')];
  expect(await judgeLog(judging(rows, judges))).toEqual({ judged: 100, judge_faults: 50 });
  expect(down.mock.calls.length).toBeLessThan(20);
  expect(turns).toEqual([['reference', 'well_formed'], ['well_formed'], ['well_formed']]);
  expect(new Set(kept[0]?.judged.faults.map(({ reason }) => reason))).toEqual(
    new Set(['503', 'not asked: it failed again and again']),
  );
});

test('what it fails at by the fault of one subject alone does not tell of the others', async () => {
  const asked: string[] = [];
  const alone = judge('model', ({ id }) => {
    asked.push(id);
    return { kind: 'fault', reason: 'its budget is spent', alone: true };
  });
  const ids = Array.from({ length: 20 }, (_, at) => `step-${at}`);
  await judgeLog(judging(store([ids.map((id) => step(id, ['model']))]).rows, [alone]));
  expect(asked).toHaveLength(20);
});

test('one that says when it can tell again is not asked before, and neither is what it was not asked', async () => {
  const full = judge('model', () => {
    const fields = { side: 'judge', status: 429, code: 'judge_budget', message: 'spent' } as const;
    throw new GyreError({ ...fields, retryAfterMs: 3_600_000 });
  });
  const ids = Array.from({ length: 20 }, (_, at) => `step-${at}`);
  const { rows, kept } = store([ids.map((id) => step(id, ['model']))]);
  await judgeLog(judging(rows, [full]));
  const faults = kept[0]?.judged.faults ?? [];
  expect(faults.map(({ retryAfterMs }) => retryAfterMs)).toEqual(Array(20).fill(3_600_000));
  expect(new Set(faults.map(({ reason }) => reason))).toEqual(new Set(['spent', 'not asked: spent']));
});

test('one that fails now and then is asked each time', async () => {
  let asked = 0;
  const shaky = judge('reference', () => {
    asked += 1;
    return asked % 5 === 0 ? Promise.resolve(GOOD) : Promise.reject(new Error('503'));
  });
  const steps = Array.from({ length: 50 }, (_, at) => step(`s${at}`, ['reference']));
  expect(await judgeLog(judging(store([steps]).rows, [shaky]))).toEqual({ judged: 10, judge_faults: 40 });
  expect(asked).toBe(50);
});

test('an interruption in the midst of a slice keeps nothing of it', async () => {
  const stopping = new AbortController();
  const { rows, kept } = store([[step('a', ['x']), step('b', ['x'])]]);
  const stops = judge('x', () => {
    stopping.abort(new Error('stop'));
    return Promise.resolve(GOOD);
  });
  await expect(judgeLog(judging(rows, [stops], stopping.signal))).rejects.toThrow('stop');
  expect(kept).toEqual([]);
});

test('judges that nobody has declared are counted', async () => {
  const { rows } = store([[step('a', ['stranger', 'well_formed'])]]);
  const judges = [judge('stranger'), judge('well_formed')];
  expect(await judgeLog(judging(rows, judges))).toEqual({ judged: 2, unknown_judge: 1 });
});

test('right from wrong can be told with a reference, or by a model', async () => {
  const ofTask = asked('a', { task: TASK, asksTask: true });
  const gradable = async (state: AskedState, judges: readonly Judge[]): Promise<boolean | undefined> => {
    const names = judges.map(({ name }) => name);
    const judged = await judgedOf(
      toAskOf(step('a', names), state, { judges, declared: DECLARED, toolbox: TOOLBOX }),
      new AbortController().signal,
    );
    return judged.gradable?.has('a');
  };
  const rules = [judge('reference'), judge('well_formed')];
  expect(await gradable(asked('a'), rules)).toBe(false);
  expect(await gradable(ofTask, rules)).toBe(true);
  expect(await gradable(asked('a'), [judge('model', undefined, 'model')])).toBe(true);
});

test('the outcome of a response is looked at by those that can tell, or not at all', () => {
  const among = (judges: readonly Judge[]) => ({ judges, declared: DECLARED, toolbox: TOOLBOX });
  const outcome: Unjudged = { kind: 'response', id: 'r', stepId: 'a', judges: ['reference', 'well_formed'] };
  const [toAsk] = toAskOf(outcome, asked('a'), among([judge('reference'), judge('well_formed')]));
  expect(toAsk?.judges.map(({ name }) => name)).toEqual(['reference']);
  expect(toAsk?.subject).toMatchObject({ kind: 'response', id: 'r', text: 'a' });
  expect(toAskOf(outcome, asked('a'), among([judge('well_formed')]))).toEqual([]);
});

const sample = (id: string): Sample => ({
  id,
  cycleId: 'c',
  stepId: 'a',
  policyVersion: 0,
  text: `${id} says`,
  calls: [],
  promptTokenIds: [],
  tokenIds: [],
  logprobs: [],
  temperature: 1,
  cut: false,
  createdAt: 0,
});

test('a sample is judged in the state it was drawn at, by those judges that have not looked', async () => {
  const known = new Map([
    ['s1', [{ judge: 'x', judgeVersion: '1' } as Verdict, { judge: 'y', judgeVersion: '0' } as Verdict]],
  ]);
  const { rows, kept } = store([], { samples: [sample('s1'), sample('s2')], known });
  const looks = vi.fn<JudgeOfOne>(() => Promise.resolve(GOOD));
  expect(await judgeSamples(judging(rows, [judge('x', looks), judge('y', looks)]), 'c')).toMatchObject({
    judged_samples: 2,
  });
  expect(kept.map(said)).toEqual([['s1 y', 's2 x', 's2 y']]);
  expect(looks.mock.calls[0]?.[0]).toMatchObject({ kind: 'sample', text: 's1 says', messages: [{ content: 'q' }] });
});

test('what was drawn in one state is judged together, and what was drawn elsewhere by itself', async () => {
  const samples = ['s1', 's2', 's3'].map((id) => sample(id)).concat({ ...sample('s4'), stepId: 'elsewhere' });
  const groups: string[][] = [];
  const together: Judge = {
    ...judge('x'),
    judge: (subjects) => {
      groups.push(subjects.map(({ id }) => id));
      return Promise.resolve(subjects.map(() => GOOD));
    },
  };
  const { rows, kept } = store([], { samples });
  await judgeSamples(judging(rows, [together]), 'c');
  expect(groups).toEqual([['s1', 's2', 's3'], ['s4']]);
  expect(kept.map(said)).toEqual([['s1 x', 's2 x', 's3 x', 's4 x']]);
});

test('a judge that fails at a sample is asked again, and only it', async () => {
  const { rows, kept } = store([], { samples: [sample('s1')] });
  const unwell = vi.fn<JudgeOfOne>().mockRejectedValueOnce(new Error('503')).mockResolvedValueOnce(GOOD);
  const well = vi.fn<JudgeOfOne>(() => Promise.resolve(GOOD));
  const judges = [judge('reference', unwell), judge('well_formed', well)];
  expect(await judgeSamples(judging(rows, judges), 'c', [1, 1])).toEqual({ judged_samples: 1 });
  expect(kept.map(said)).toEqual([['s1 well_formed'], ['s1 reference']]);
  expect(well).toHaveBeenCalledOnce();
  const down = [judge('reference', () => Promise.reject(new Error('503')))];
  expect(await judgeSamples(judging(store([], { samples: [sample('s1')] }).rows, down), 'c', [1])).toEqual({
    judged_samples: 1,
    judge_faults: 1,
  });
});
