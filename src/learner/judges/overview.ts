/** Everything there is to tell of the judges, out of the rows: who may reward, what each said, and how they agree. */
import type { Config } from '../../core/config.js';
import type { Drift } from '../../core/judging/drift.js';
import type { JudgeFacts, Words } from '../../core/judging/facts.js';
import { proportion } from '../../core/judging/proportion.js';
import type { JudgeStanding } from '../../core/judging/standing.js';
import {
  type AgreementView,
  calibrationView,
  costView,
  driftView,
  type JudgesView,
  type JudgeView,
  shareView,
  type StandingView,
  standingView,
} from '../../core/judging/views.js';
import { alphaOf, kappaOf } from '../../judge/calibration/agreement.js';

export interface Overview {
  readonly config: Config;
  readonly standings: readonly JudgeStanding[];
  readonly facts: JudgeFacts;
  readonly drifts: readonly Drift[];
}

const PEOPLE = 'person';

export function overviewOf({ config: { calibration }, standings, facts, drifts }: Overview): JudgesView {
  const strangers = facts.counts.filter(({ judge }) => !standings.some(({ name }) => name === judge));
  return {
    data: [
      ...standings.map((standing) => viewOf(standingView(standing), standing, facts, drifts)),
      ...strangers.map(({ judge }) => viewOf(strangerOf(judge), undefined, facts, drifts)),
    ],
    has_more: false,
    bounds: calibration,
    agreement: {
      steps: facts.newest.filter(({ said }) => Object.keys(said).length > 1).length,
      alpha: alphaOf(facts.newest.map(({ said }) => Object.values(said))) ?? null,
      pairs: pairsOf(facts),
    },
  };
}

function strangerOf(name: string): StandingView {
  return { name, kind: null, version: null, may_reward: false, why: 'nobody has declared it: it decides nothing' };
}

function viewOf(
  standing: StandingView,
  known: JudgeStanding | undefined,
  { counts }: JudgeFacts,
  drifts: readonly Drift[],
): JudgeView {
  const of = counts.find(({ judge }) => judge === standing.name);
  return {
    ...standing,
    verdicts: { good: of?.good ?? 0, bad: of?.bad ?? 0, abstained: of?.abstained ?? 0 },
    waiting: { subjects: of?.waiting ?? 0, reason: of?.reason ?? null },
    cost: { ...costView(of), tokens_today: of?.today ?? 0 },
    calibration: known?.calibration === undefined ? null : calibrationView(known.calibration),
    drift: drifts.filter(({ judge }) => judge === standing.name).map(driftView),
  };
}

/** With people on all that they have judged, which is little beside what judges have; with each other on the newest. */
function pairsOf({ newest, labelled }: JudgeFacts): readonly AgreementView[] {
  const names = [...new Set([...newest, ...labelled].flatMap(({ said }) => Object.keys(said)))].sort();
  return names.flatMap((a, at) =>
    names.slice(at + 1).flatMap((b) => pairOf(a, b, a === PEOPLE || b === PEOPLE ? labelled : newest)),
  );
}

function pairOf(a: string, b: string, words: readonly Words[]): readonly AgreementView[] {
  const both = words.flatMap(({ said: { [a]: one, [b]: other } }) =>
    one === undefined || other === undefined ? [] : [[one, other] as const],
  );
  if (both.length === 0) return [];
  return [
    {
      judges: [a, b],
      steps: both.length,
      agree: shareView(proportion(both.map(([one, other]) => Number(one === other)))),
      kappa: kappaOf(both),
      alpha: alphaOf(both) ?? null,
    },
  ];
}
