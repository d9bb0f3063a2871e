/** Who compares answers to live conversations: by what is configured, and by what calibrations have shown. */
import { afterEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import type { Calibration, CalibrationNumbers } from '../../../src/core/judging/calibration.js';
import type { ChosenComparer } from '../../../src/core/judging/live.js';
import type { LearningStore } from '../../../src/core/ports.js';
import type { Judge } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { judgementOf } from '../../../src/judge/one_by_one.js';
import { judgesIn, modelsIn } from '../../../src/run/judges/configured.js';
import { liveJudgeIn, pairComparerIn } from '../../../src/run/judges/live.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { judgeEndpoint, type JudgeEndpoint } from '../../judge/model/endpoint.js';
import { opinion } from '../../learner/live/traffic.js';
import { opened } from '../../store/fixture.js';

let endpoint: JudgeEndpoint | undefined;
afterEach(async () => endpoint?.close());

const MODEL = { name: 'reader', kind: 'model', url: 'http://127.0.0.1:1', model: 'judge-7b', prompt: 'process' };
const LEARNED = { name: 'critic', kind: 'learned' };
const PANEL = { name: 'all', kind: 'panel', of: ['critic', 'reader'] };
const JUDGES: readonly Judge[] = [
  opinion('learned', () => true, 'critic'),
  opinion('panel', () => true, 'all'),
  opinion('model', () => true, 'reader'),
];
const verdicts = { spent: () => Promise.resolve(0) } as unknown as LearningStore['verdicts'];

function config(gate: object, judges: readonly object[] = [LEARNED, PANEL, MODEL]): ReturnType<typeof parseConfig> {
  return parseConfig({ judges, gate });
}

function calibration(judge: string, more: Partial<CalibrationNumbers> = {}): Calibration {
  const share = (accuracy: number): CalibrationNumbers['accuracy'] => ({
    accuracy,
    n: 400,
    ci95: [accuracy, accuracy],
  });
  return {
    ...{ id: 'cal-1', judge, judgeVersion: '1', kind: 'model', gold: 'g1:0', source: 'file' },
    numbers: {
      ...{ n: 400, abstained: 0, faults: 0, kappa: 0.8, curve: [], miscalibration: 0, clusters: [], authors: [] },
      ...{ accuracy: share(0.9), falseAccept: share(0.1), falseReject: share(0.05), probes: [] },
      ...more,
    },
    ...{ bounds: { items: 200, accuracy: 0.75, falseAccept: 0.15 }, shortfalls: [], createdAt: 0 },
  };
}

function chosen(
  of: ReturnType<typeof parseConfig>,
  calibrations: readonly Calibration[],
): Promise<ChosenComparer | string> {
  const live = liveJudgeIn(of, JUDGES, { verdicts, asking: new Map(), calibrations: () => calibrations });
  return live?.chosen() ?? Promise.resolve('nobody');
}

const measured = (right: number, wrong: number, n = 80): Partial<CalibrationNumbers> => {
  const version =
    pairComparerIn(config({}), { name: 'reader', version: '1' }, { verdicts, asking: new Map() })?.version ?? '';
  return { pairs: { version, n, right, wrong, faults: 0 } };
};

test('a learned judge, or a panel, compares by its words, with the errors that its calibration found', async () => {
  for (const name of ['critic', 'all'])
    expect(await chosen(config({ judge: name }), [calibration(name)])).toMatchObject({
      comparer: { by: 'words', name, judgeVersion: '1' },
      error: { by: 'words', falseAccept: 0.1, falseReject: 0.05, n: 400 },
    });
});

test('a model is shown both where that was measured, and is corrected by what was measured', async () => {
  const said = await chosen(config({}), [calibration('reader', measured(64, 4))]);
  expect(said).toMatchObject({
    comparer: { by: 'pairs', name: 'reader' },
    error: { by: 'pairs', right: 0.8, wrong: 0.05, n: 80 },
  });
  expect(said).not.toHaveProperty('note');
});

test.each([
  ['nobody has measured', {}, /has not measured how it compares two .* 50 pairs/],
  ['was measured on too few', measured(30, 2, 40), /has not measured/],
  [
    'another prompt was measured for',
    { pairs: { version: 'c0', n: 80, right: 70, wrong: 2, faults: 0 } },
    /not measured/,
  ],
  ['sees next to nothing', measured(20, 12), /sees 10 % of a difference/],
])('a model whose comparison %s compares by its words and says so', async (_, more, says) => {
  const said = await chosen(config({}), [calibration('reader', more)]);
  expect(said).toMatchObject({ comparer: { by: 'words', name: 'reader' }, error: { by: 'words' } });
  expect((said as ChosenComparer).note).toMatch(says);
});

test('a model compares by its words where that is configured, and nothing is said of it', async () => {
  const words = config({ compare: 'words' });
  const said = await chosen(words, [calibration('reader', measured(64, 4))]);
  expect(said).toMatchObject({ comparer: { by: 'words', name: 'reader' } });
  expect(said).not.toHaveProperty('note');
  expect(pairComparerIn(words, { name: 'reader', version: '1' }, { verdicts, asking: new Map() })).toBeUndefined();
});

test('of several the first that is calibrated compares, models before others', async () => {
  const all = [calibration('critic'), calibration('all'), calibration('reader')];
  expect(await chosen(config({}), all)).toMatchObject({ comparer: { name: 'reader' } });
  expect(await chosen(config({}), all.slice(0, 2))).toMatchObject({ comparer: { name: 'critic' } });
  expect(await chosen(config({ judge: 'all' }), all)).toMatchObject({ comparer: { name: 'all' } });
});

test('where no calibration of a present version stands nobody compares', async () => {
  const nobody = 'the judge "reader" would compare, and no calibration has shown that it can judge';
  expect(await chosen(config({}), [])).toBe(nobody);
  expect(await chosen(config({}), [{ ...calibration('reader'), judgeVersion: '0' }])).toBe(nobody);
  expect(await chosen(config({}), [calibration('reader', { n: 100 })])).toBe(nobody);
});

test('nobody is needed where nothing is held out, or no judge has an opinion', async () => {
  expect(await chosen(config({ heldout: 0 }), [calibration('reader')])).toBe('nobody');
  expect(await chosen(config({}, []), [])).toBe('nobody');
  expect(await chosen(config({ heldout: 0, shadow: true }), [calibration('reader')])).toMatchObject({
    comparer: { name: 'reader' },
  });
});

test('what the judge has taken, and no row says yet, is no more there for who compares by it', async () => {
  endpoint = await judgeEndpoint(() => 'GOOD');
  const rows = learningStore(opened().store.db, GYRE_POLICY);
  const critic = { name: 'critic', kind: 'model', url: endpoint.url, model: 'm', tokens_per_day: 100 };
  const of = parseConfig({ judges: [critic], gate: { heldout: 0.05 } });
  const asking = modelsIn(of, rows);
  const policy = { sample: () => expect.fail('no policy is asked here') };
  const judges = judgesIn(of, { toolbox: new Map(), policy, rows, asking });
  const signal = AbortSignal.timeout(20_000);
  const shown = { id: 'a', messages: [], tools: [] };
  const judge = judges.find(({ name }) => name === 'critic') ?? expect.fail('no judge');
  await judgementOf(judge, { ...shown, kind: 'sample', text: 'a', calls: [], index: 0 }, signal);
  const comparer = pairComparerIn(of, judge, { verdicts: rows.verdicts, asking });
  expect(await comparer?.compare({ ...shown, first: 'one', second: 'other' }, signal)).toEqual({
    fault: 'the judge "critic" has used 120 of 100 tokens of this day (UTC)',
  });
  expect(endpoint.asked).toHaveLength(1);
});
