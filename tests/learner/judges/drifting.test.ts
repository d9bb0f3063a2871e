/** Judges that drift from outcomes and from people, over real rows. */
import { expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { alarmOf, driftSaid, outcomeDrift, peopleDrift } from '../../../src/core/judging/drift.js';
import { declaredJudges } from '../../../src/core/learning/deciding.js';
import type { Judge, SubjectKind, Verdict } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { watchDrift } from '../../../src/learner/judges/drifting.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { driftsOf } from '../../../src/store/judges/drifts.js';
import { answer, opened, opening, user } from '../../store/fixture.js';

const DECLARED = declaredJudges({
  rewards: ['person', 'critic', 'reference'],
  configured: [{ name: 'critic', kind: 'model' }],
  calibrated: new Set(['critic']),
});
const judgeOf = (name: string, kind: Judge['kind']): Judge => ({
  ...{ name, kind, version: '1' },
  judge: () => Promise.reject(new Error('nobody is asked')),
});

let made = 0;
function word(kind: SubjectKind, id: string, judge: string, good: boolean | undefined): Verdict {
  made += 1;
  return {
    ...{ id: `vrd-${String(made).padStart(6, '0')}`, subjectKind: kind, subjectId: id, judge },
    ...{ judgeVersion: judge === 'person' ? String(made) : '1', rationale: '', createdAt: made },
    ...(good === undefined ? {} : { good, score: Number(good) }),
  };
}

interface Said {
  readonly critic: boolean;
  readonly right: boolean;
  readonly person?: boolean;
}

async function watched(list: readonly Said[]) {
  const { store, log } = opened();
  const rows = learningStore(store.db, GYRE_POLICY, DECLARED);
  for (const { critic, right, person } of list) {
    const { steps, opening: asked } = await answer(log, opening([user('q')]), [{ text: 'a' }, { text: 'b' }]);
    const words = steps.map(({ id }) => word('step', id, 'critic', critic));
    const labels = steps.flatMap(({ id }) =>
      person === undefined ? [] : [word('step', id, 'person', !person), word('step', id, 'person', person)],
    );
    const outcome = word('response', asked.responseId, 'reference', right);
    await rows.verdicts.save({ verdicts: [...words, ...labels, outcome], faults: [] });
  }
  const judges = [judgeOf('critic', 'model'), judgeOf('reference', 'rule')];
  const watch = (declared = DECLARED) => watchDrift({ rows, judges, declared, config: parseConfig({}) }, [0, 0]);
  return { watch, kept: () => driftsOf(store.db, GYRE_POLICY, [0]) };
}

const times = (n: number, said: Said): Said[] => Array.from({ length: n }, () => said);

test('one that calls good what comes out wrong is an alarm, as a row; who does not reward is not watched', async () => {
  const { watch, kept } = await watched([
    ...times(10, { critic: true, right: true }),
    ...times(30, { critic: true, right: false }),
  ]);
  const [drift] = await watch();
  expect(drift).toMatchObject({ judge: 'critic', version: 0, measure: 'outcome', n: 40, value: 0.75, alarm: true });
  expect(kept()).toEqual([drift]);
  expect(drift === undefined ? '' : alarmOf(drift)).toBe('drift_outcome (critic on version 0)');
  expect(drift === undefined ? '' : driftSaid(drift)).toContain('of 40 answers of version 0 "critic" calls the steps');
  const filters = DECLARED.map((each) => (each.name === 'critic' ? { ...each, role: 'filters' as const } : each));
  expect(await watch(filters)).toEqual([]);
  expect(kept()).toEqual([]);
});

test('one that goes with outcomes is none, and of a few answers nothing is said', async () => {
  const { watch } = await watched([
    ...times(20, { critic: true, right: true }),
    ...times(20, { critic: false, right: false }),
  ]);
  expect(await watch()).toMatchObject([{ measure: 'outcome', value: 0, alarm: false }]);
  expect(await (await watched(times(10, { critic: true, right: false }))).watch()).toEqual([]);
});

test('one that people disagree with is an alarm: by the newest word of each', async () => {
  const { watch } = await watched([
    ...times(8, { critic: true, right: true, person: true }),
    ...times(12, { critic: true, right: true, person: false }),
  ]);
  expect(await watch()).toMatchObject([
    { judge: 'critic', measure: 'outcome', alarm: false },
    { judge: 'critic', measure: 'people', n: 40, value: 0.4, alarm: true },
  ]);
});

test('only an interval that is all beyond the bound is an alarm', () => {
  const gaps = (wrong: number, right: number) => [
    ...Array.from({ length: wrong }, () => ({ process: 1, outcome: false })),
    ...Array.from({ length: right }, () => ({ process: 1, outcome: true })),
  ];
  expect(outcomeDrift(gaps(8, 12), 0.3)).toMatchObject({ value: 0.4, alarm: false });
  expect(outcomeDrift(gaps(80, 120), 0.3)).toMatchObject({ value: 0.4, alarm: true });
  const strict = Array.from({ length: 100 }, () => ({ process: 0, outcome: true }));
  expect(outcomeDrift(strict, 0.3)).toMatchObject({ value: -1, alarm: true });
  expect(outcomeDrift(gaps(10, 0), 0.3)).toBeUndefined();
  const agreed = (yes: number, no: number) => [...Array<boolean>(yes).fill(true), ...Array<boolean>(no).fill(false)];
  expect(peopleDrift(agreed(14, 6), 0.75)).toMatchObject({ value: 0.7, alarm: false });
  expect(peopleDrift(agreed(100, 100), 0.75)).toMatchObject({ value: 0.5, alarm: true });
  expect(peopleDrift(agreed(0, 19), 0.75)).toBeUndefined();
});
