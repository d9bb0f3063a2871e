/** Who decides about a subject, as rows: the very fold that rewards are made of, over whatever judges may say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { couldTell, declaredJudges, deciding, JUDGES, NO_REFERENCE } from '../../../src/core/learning/deciding.js';
import type { SubjectKind, Verdict } from '../../../src/core/learning/judging.js';
import { rewardOf } from '../../../src/judge/decide.js';
import { redecide, unknownJudged } from '../../../src/store/learning/decided.js';
import { saveJudged, saveVerdicts, spentOf, timesSpent, verdictsOf } from '../../../src/store/learning/verdicts.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { listTrajectories } from '../../../src/store/read/listing.js';
import { Random } from '../../../scripts/chaos/random.js';
import { answer, opened, type Opened, opening, user } from '../fixture.js';

/** Those of the build that the migration was written in. */
const EARLIER = declaredJudges({
  rewards: ['person', 'model', 'reference'],
  configured: [{ name: 'model', kind: 'model' }],
  calibrated: new Set(['model']),
}).filter(({ name }) => name !== 'feedback' && name !== 'signals');

const NAMES = ['person', 'model', 'reference', 'follows_observation', 'well_formed', 'stranger', 'another'] as const;
const REASONS = ['', 'cannot tell', 'cancelled', 'the judge failed: 503'] as const;

let made = 0;
function word(
  kind: SubjectKind,
  id: string,
  judge: string,
  good: boolean | undefined,
  more: Partial<Verdict> = {},
): Verdict {
  made += 1;
  return {
    id: `vrd-${String(made).padStart(6, '0')}`,
    subjectKind: kind,
    subjectId: id,
    judge,
    judgeVersion: String(made),
    rationale: '',
    createdAt: made,
    ...(good === undefined ? {} : { good, score: Number(good) }),
    ...more,
  };
}

interface DecidedRow {
  readonly kind: SubjectKind;
  readonly id: string;
  readonly judge: string | null;
  readonly good: 0 | 1 | null;
  readonly verdictId: string | null;
  readonly place: number | null;
  readonly gradable: 0 | 1;
  readonly unknown: number;
}

const rowsOf = ({ store }: Opened): readonly DecidedRow[] =>
  store.sqlite
    .prepare<[], DecidedRow>(
      `SELECT subject_kind AS kind, subject_id AS id, judge, good, verdict_id AS verdictId, place, gradable, unknown
        FROM decided ORDER BY subject_kind, subject_id`,
    )
    .all();

/** What the fold says of each subject that there is a verdict about. */
function folded({ store }: Opened, kinds: readonly SubjectKind[]): readonly DecidedRow[] {
  return kinds.flatMap((kind) => {
    const ids = store.sqlite
      .prepare<[string], { id: string }>(
        'SELECT DISTINCT subject_id AS id FROM verdicts WHERE subject_kind = ? ORDER BY subject_id',
      )
      .all(kind)
      .map(({ id }) => id);
    return [...verdictsOf(store.db, kind, ids)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, verdicts]): DecidedRow => {
        const { verdict, place, unknown } = deciding(verdicts, EARLIER);
        return {
          kind,
          id,
          judge: verdict?.judge ?? null,
          good: verdict?.good === undefined ? null : verdict.good ? 1 : 0,
          verdictId: verdict?.id ?? null,
          place: place ?? null,
          // A person has seen the action that was taken, and says nothing of others.
          gradable: couldTell(verdicts, EARLIER) ? 1 : 0,
          unknown: unknown.length,
        };
      });
  });
}

const BACKFILL = ((): string => {
  const folder = join(import.meta.dirname, '..', '..', '..', 'migrations');
  const file = readdirSync(folder).find((name) => name.endsWith('_judging.sql')) ?? '';
  return (
    readFileSync(join(folder, file), 'utf8')
      .split('--> statement-breakpoint')
      .find((sql) => sql.includes('INTO `decided`')) ?? ''
  );
})();

test('the row is what the fold gives, over 500 random sets of verdicts, and a migrated log has the same', async () => {
  const open = opened();
  const random = new Random(11);
  const { steps, opening: asked } = await answer(
    open.log,
    opening([user('q')]),
    Array.from({ length: 40 }, (_, at) => ({ text: `a${at}` })),
  );
  const places = new Set<number | null>();
  for (let round = 0; round < 12; round += 1) {
    const said = steps.flatMap(({ id }) =>
      Array.from({ length: Math.floor(random.between(0, 3)) }, () =>
        word('step', id, random.of(NAMES), random.of([true, false, undefined]), {
          rationale: random.of(REASONS),
          createdAt: Math.floor(random.between(0, 5)),
        }),
      ),
    );
    const outcome = word('response', asked.responseId, random.of(NAMES), random.of([true, false, undefined]));
    saveJudged(open.store.db, { verdicts: [...said, outcome], faults: [] }, undefined, { judges: EARLIER });
    const written = rowsOf(open);
    expect(written).toEqual(folded(open, ['response', 'step']));
    for (const { place } of written) places.add(place);
    open.store.sqlite.exec('BEGIN; DELETE FROM decided');
    open.store.sqlite.exec(BACKFILL);
    const migrated = rowsOf(open);
    open.store.sqlite.exec('ROLLBACK');
    // Nobody had spoken by then of whom `gradable` says another thing now.
    const same = (rows: readonly DecidedRow[]): unknown[] =>
      rows.filter(({ place }) => place !== null).map(({ gradable: _, ...row }) => row);
    expect(same(migrated)).toEqual(same(written));
  }
  expect(places).toEqual(new Set([null, 0, 1, 2, 3, 4, 5]));
});

test('a newer version of a judge takes back what the older said: bad, then good, is good and worth 1', async () => {
  const open = opened();
  const { steps, recording } = await answer(open.log, opening([user('q')]), [{ text: 'a' }]);
  const id = steps[0]?.id ?? '';
  const shown = (): unknown =>
    listTrajectories(open.store.db, { limit: 9 }, { shown: { view: 'summary', tokens: false } }).data[0];
  saveVerdicts(open.store.db, [word('step', id, 'reference', false, { judgeVersion: '1' })]);
  expect(shown()).toMatchObject({ id: recording.trajectoryId, verdict: { judge: 'reference', good: false } });
  saveVerdicts(open.store.db, [word('step', id, 'reference', true, { judgeVersion: '2' })]);
  expect(rowsOf(open)).toMatchObject([{ judge: 'reference', good: 1, gradable: 1 }]);
  expect(shown()).toMatchObject({ verdict: { judge: 'reference', good: true } });
  expect(rewardOf(verdictsOf(open.store.db, 'step', [id]).get(id) ?? [])?.value).toBe(1);
});

test('an earlier outcome, of a whole trajectory, is that of its first completed response', async () => {
  const open = opened();
  const first = await answer(open.log, opening([user('q')]), [{ text: 'a' }]);
  await answer(open.log, opening([user('q'), first.turn, user('more')]), [{ text: 'b' }]);
  saveVerdicts(open.store.db, [word('trajectory', first.recording.trajectoryId, 'reference', false)]);
  open.store.sqlite.exec('DELETE FROM decided');
  open.store.sqlite.exec(BACKFILL);
  expect(rowsOf(open)).toMatchObject([{ kind: 'response', id: first.opening.responseId, judge: 'reference', good: 0 }]);
});

test('subjects of which an undeclared judge has spoken are counted', async () => {
  const open = opened();
  const { steps } = await answer(open.log, opening([user('q')]), [{ text: 'a' }, { text: 'b' }]);
  const [a = '', b = ''] = steps.map(({ id }) => id);
  saveVerdicts(open.store.db, [word('step', a, 'stranger', true), word('step', a, 'another', true)]);
  expect(unknownJudged(open.store.db)).toBe(1);
  saveVerdicts(open.store.db, [word('step', b, 'well_formed', true)]);
  expect(unknownJudged(open.store.db)).toBe(1);
  expect(rowsOf(open).find(({ id }) => id === a)).toMatchObject({ judge: null, unknown: 2 });
});

test('whether right from wrong can be told is kept, and said anew where it is known', async () => {
  const open = opened();
  const { steps } = await answer(open.log, opening([user('q')]), [{ text: 'a' }]);
  const id = steps[0]?.id ?? '';
  const save = (gradable?: ReadonlySet<string>): number | undefined => {
    const verdicts = [word('step', id, 'well_formed', true)];
    saveJudged(open.store.db, { verdicts, faults: [], ...(gradable === undefined ? {} : { gradable }) });
    return rowsOf(open)[0]?.gradable;
  };
  expect([save(), save(new Set([id])), save(), save(new Set())]).toEqual([0, 1, 1, 0]);
});

test('where others decide than before every subject is decided about anew, some at a time', async () => {
  const open = opened();
  const asked = await Promise.all(
    Array.from({ length: 1_100 }, (_, at) => answer(open.log, opening([user(`q ${at}`)]), [{ text: 'a' }])),
  );
  const ids = asked.map(({ steps: [step] }) => step?.id ?? '');
  saveVerdicts(
    open.store.db,
    ids.flatMap((id) => [word('step', id, 'critic', false), word('step', id, 'reference', true)]),
  );
  const judges = (): readonly unknown[] =>
    open.store.sqlite.prepare('SELECT DISTINCT judge, good, unknown FROM decided').all();
  expect(judges()).toEqual([{ judge: 'reference', good: 1, unknown: 1 }]);
  expect(redecide(open.store.db, JUDGES)).toBe(false);
  const critic = (calibrated: readonly string[]): ReturnType<typeof declaredJudges> =>
    declaredJudges({
      rewards: ['critic', 'reference'],
      configured: [{ name: 'critic', kind: 'model' }],
      calibrated: new Set(calibrated),
    });
  expect(redecide(open.store.db, critic(['critic']))).toBe(true);
  expect(redecide(open.store.db, critic(['critic']))).toBe(false);
  expect(judges()).toEqual([{ judge: 'critic', good: 0, unknown: 0 }]);
  // Changed again before it is through, it begins anew.
  expect(redecide(open.store.db, critic([]))).toBe(true);
  expect(redecide(open.store.db, JUDGES)).toBe(true);
  expect(redecide(open.store.db, JUDGES)).toBe(false);
  expect(judges()).toEqual([{ judge: 'reference', good: 1, unknown: 1 }]);
});

test('a right that is taken away leaves open only what has a reference', async () => {
  const open = opened();
  const { steps } = await answer(open.log, opening([user('q')]), [{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
  const [none = '', some = '', unasked = ''] = steps.map(({ id }) => id);
  const judges = (calibrated: readonly string[]): ReturnType<typeof declaredJudges> =>
    declaredJudges({
      rewards: ['critic', 'reference'],
      configured: [{ name: 'critic', kind: 'model' }],
      calibrated: new Set(calibrated),
    });
  const said = [none, some, unasked].map((id) => word('step', id, 'critic', undefined));
  saveJudged(
    open.store.db,
    {
      verdicts: [
        ...said,
        word('step', none, 'reference', undefined, { rationale: NO_REFERENCE }),
        word('step', some, 'reference', undefined, { rationale: 'the call gives something else' }),
      ],
      faults: [],
      gradable: new Set([some]),
    },
    undefined,
    { judges: judges([]) },
  );
  const told = (): ReadonlyMap<string, number> => new Map(rowsOf(open).map(({ id, gradable }) => [id, gradable]));
  const all = [none, some, unasked];
  while (redecide(open.store.db, judges(['critic'])));
  expect(all.map((id) => told().get(id))).toEqual([1, 1, 1]);
  while (redecide(open.store.db, judges([])));
  expect(all.map((id) => told().get(id))).toEqual([0, 1, 0]);
});

test('what a judge took and failed at counts all the same, and it is asked again when it can tell', async () => {
  const open = opened();
  const { steps } = await answer(open.log, opening([user('q')]), [{ text: 'a' }]);
  const id = steps[0]?.id ?? '';
  const now = Date.now();
  const cost = { promptTokens: 100, completionTokens: 20, ms: 5, money: 0.25 };
  const about = { subjectKind: 'step', subjectId: id, stepId: id, judgeVersion: '1', reason: '' } as const;
  const faults = [
    { ...about, judge: 'critic', cost, retryAfterMs: 7_000_000 },
    { ...about, judge: 'other', retryAfterMs: 10 },
    { ...about, judge: 'critic', subjectId: 'step-gone', cost },
  ];
  saveJudged(open.store.db, { verdicts: [], faults }, undefined, { now });
  expect([spentOf(open.store.db, 'critic', now), timesSpent(open.store.db, 'critic', now)]).toEqual([240, 2]);
  expect([spentOf(open.store.db, 'other', now), timesSpent(open.store.db, 'critic', now + 1)]).toEqual([0, 0]);
  expect(open.store.sqlite.prepare('SELECT judge, due_at AS due FROM judge_attempts ORDER BY judge').all()).toEqual([
    { judge: 'critic', due: now + 7_000_000 },
    { judge: 'other', due: now + 5_000 },
  ]);
  expect(open.store.sqlite.prepare('SELECT sum(money) AS money FROM judge_costs').get()).toEqual({ money: 0.5 });
});

test('what a judgement took stands beside its verdict, is added up, and goes with it', async () => {
  const open = opened();
  const { steps, recording } = await answer(open.log, opening([user('q')]), [{ text: 'a' }]);
  const id = steps[0]?.id ?? '';
  const cost = { promptTokens: 100, completionTokens: 20, ms: 5 };
  const now = Date.now();
  const said = word('step', id, 'critic', true, { confidence: 0.9, cost, createdAt: now });
  saveVerdicts(open.store.db, [said, { ...said, id: 'vrd-again' }]);
  expect(verdictsOf(open.store.db, 'step', [id]).get(id)).toEqual([{ ...said, cost: undefined, confidence: 0.9 }]);
  expect([spentOf(open.store.db, 'critic', now), spentOf(open.store.db, 'critic', now + 1)]).toEqual([120, 0]);
  expect(spentOf(open.store.db, 'another', 0)).toBe(0);
  removeTrajectory(open.store.db, GYRE_POLICY, recording.trajectoryId);
  expect(spentOf(open.store.db, 'critic', 0)).toBe(0);
});
