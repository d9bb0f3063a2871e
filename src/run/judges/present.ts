/** The judges as they are configured now, with their versions: for whoever tells of them and asks none. */
import type { Config } from '../../core/config.js';
import { reasonOf } from '../../core/errors.js';
import { type Calibration, countsFor } from '../../core/judging/calibration.js';
import type { Labelling } from '../../core/judging/learned.js';
import { type JudgeStanding, type PresentJudge, standingsOf } from '../../core/judging/standing.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import type { Judge } from '../../core/learning/judging.js';
import type { LearnedJudge } from '../../judge/learned/judge.js';
import { learningStore } from '../../store/clock/open.js';
import type { Db } from '../../store/file/db.js';
import { newestCalibrations } from '../../store/judges/calibrations.js';
import { labelsOf, servingJudge } from '../../store/judges/judge_versions.js';
import { boundsIn, declaredIn, judgesIn, learnedIn, type Parts } from './configured.js';

type Made = Judge | { readonly name: string; readonly kind: Judge['kind']; readonly fault: string };

interface AllMade {
  readonly judges: readonly Made[];
  /** Take up their versions at every use: another process trains them. */
  readonly learned: readonly LearnedJudge[];
}

/** Made once for a configuration: a prompt is read when its judge is, and holds until the process ends. */
const made = new WeakMap<Config, AllMade>();

/** In the order in which they are gone through; with those whom nobody asks, as people. */
export function presentJudges(config: Config, db: Db): readonly PresentJudge[] {
  let all = made.get(config);
  if (all === undefined) made.set(config, (all = madeFor(config, db)));
  const { judges, learned } = all;
  for (const judge of learned) judge.refresh();
  const known = new Map(judges.map((judge) => [judge.name, judge]));
  return declaredIn(config, new Set()).map(({ name, kind }): PresentJudge => {
    const judge = known.get(name);
    if (judge === undefined) return { name, kind };
    const handle = learned.find((each) => each.name === name);
    return { ...presentOf(judge), labelling: handle === undefined ? undefined : labellingOf(handle, config, db) };
  });
}

function labellingOf({ name, labels }: LearnedJudge, config: Config, db: Db): Labelling | undefined {
  const declared = config.judges.find((each) => each.name === name);
  if (declared?.kind !== 'learned') return undefined;
  const { min_labels: least, heldout: fixed } = declared;
  const there = labels ?? labelsOf(db, declared.labels, least).length;
  return { trained: labels !== undefined, labels: there, least, fixed };
}

/** Which of them may reward now, and why the others do not. */
export function standingsIn(config: Config, db: Db, judges = presentJudges(config, db)): readonly JudgeStanding[] {
  return standingsOf({
    rewards: config['learning.rewards'],
    judges,
    calibrations: newestCalibrations(db),
    bounds: boundsIn(config),
  });
}

/** Of each version of each judge those that say something of what is rewarded now. */
export function calibrationsNow(config: Config, db: Db): readonly Calibration[] {
  const bounds = boundsIn(config);
  return newestCalibrations(db).filter((each) => countsFor(each, bounds));
}

/** A version is read at every use, since that of a judge which is trained moves on. */
export function presentOf(judge: Made): PresentJudge {
  const { name, kind } = judge;
  if ('fault' in judge) return { name, kind, fault: judge.fault };
  return { name, kind, version: judge.version, ranks: judge.ranks };
}

function madeFor(config: Config, db: Db): AllMade {
  const nobody = (): never => {
    throw new Error('no judge is asked here');
  };
  const policy = { sample: nobody };
  const learned = learnedIn(config, policy, { tokens: nobody, serving: (judge) => servingJudge(db, judge) });
  const parts: Parts = {
    toolbox: new Map(),
    policy,
    rows: learningStore(db, GYRE_POLICY),
    calibrations: () => calibrationsNow(config, db),
    learned,
  };
  const broken: Made[] = [];
  const judges = judgesIn(config, parts, ({ name, kind }, thrown) =>
    broken.push({ name, kind, fault: reasonOf(thrown) }),
  );
  return { judges: [...judges, ...broken], learned };
}
