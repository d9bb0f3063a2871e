/** Which judges may reward, and why the others only filter: by what is configured, and by how they were calibrated. */
import { NEVER_REWARD, needsCalibration } from '../learning/deciding.js';
import type { JudgeKind } from '../learning/judging.js';
import { type Calibration, type CalibrationBounds, countsFor, shortfalls, shownIn } from './calibration.js';
import { labelsToTrain, type Labelling, lackingLabels } from './learned.js';

/** A judge as it is configured now. */
export interface PresentJudge {
  readonly name: string;
  readonly kind: JudgeKind;
  /** Absent where it cannot be made, as where the file of its prompt is gone; and of people. */
  readonly version?: string | undefined;
  /** Why it cannot be made. */
  readonly fault?: string | undefined;
  /** Whether it puts actions in order. */
  readonly ranks?: boolean | undefined;
  /** Of one that is trained here. */
  readonly labelling?: Labelling | undefined;
}

export interface JudgeStanding extends PresentJudge {
  readonly mayReward: boolean;
  /** Why it may, or may not. One sentence. */
  readonly why: string;
  /** The newest of its present version. */
  readonly calibration?: Calibration | undefined;
}

export interface Standing {
  /** `learning.rewards`. */
  readonly rewards: readonly string[];
  readonly judges: readonly PresentJudge[];
  /** Newest first. */
  readonly calibrations: readonly Calibration[];
  readonly bounds: CalibrationBounds;
}

export function standingsOf({ rewards, judges, calibrations, bounds }: Standing): readonly JudgeStanding[] {
  return judges.map((judge): JudgeStanding => {
    const own = calibrations.filter((each) => each.judge === judge.name);
    const present = own.filter(({ judgeVersion }) => judgeVersion === judge.version);
    const calibration = present.find((each) => countsFor(each, bounds)) ?? present[0];
    const stands = (mayReward: boolean, why: string): JudgeStanding => ({ ...judge, mayReward, why, calibration });
    if (NEVER_REWARD.some((name) => name === judge.name)) return stands(false, 'it does not know right from wrong');
    if (judge.fault !== undefined) return stands(false, judge.fault);
    const shown = calibration === undefined ? unshown(judge, own, bounds) : lackingIn(judge, calibration, bounds);
    if (!rewards.includes(judge.name))
      return stands(false, `"learning.rewards" does not name it${shown === undefined ? '' : `; ${shown}`}`);
    if (!needsCalibration(judge)) return stands(true, 'it knows right from wrong');
    if (shown !== undefined) return stands(false, shown);
    return stands(true, passed(calibration));
  });
}

/** Names of those that were shown to tell right from wrong. */
export function calibratedIn(standings: readonly JudgeStanding[]): ReadonlySet<string> {
  return new Set(standings.flatMap(({ name, mayReward }) => (mayReward ? [name] : [])));
}

function unshown(
  judge: PresentJudge,
  earlier: readonly Calibration[],
  { items }: CalibrationBounds,
): string | undefined {
  if (!needsCalibration(judge)) return undefined;
  if (judge.ranks === true) return ORDER;
  const [last] = earlier;
  if (judge.labelling?.trained === false) return labelsToTrain(judge.labelling, items);
  const how = howTo(judge);
  return last === undefined
    ? `it is not calibrated: ${how}`
    : `it was calibrated as version ${last.judgeVersion}, and is version ${judge.version ?? ''} now: ${how}`;
}

/** Why its calibration is not enough; undefined where it is. */
function lackingIn(judge: PresentJudge, calibration: Calibration, bounds: CalibrationBounds): string | undefined {
  if (judge.ranks === true) return ORDER;
  if (needsCalibration(judge) && !countsFor(calibration, bounds))
    return `${SHOWN[shownIn(calibration)]}, and is to reward ${REWARDED[bounds.shown ?? 'alone']}: ${howTo(judge)}`;
  const { numbers, source } = calibration;
  const labelled = judge.labelling !== undefined && source === 'labels' && numbers.n < bounds.items;
  const short = [
    ...(labelled ? [lackingLabels(judge.labelling, bounds.items, numbers.n)] : []),
    ...shortfalls(numbers, labelled ? { ...bounds, items: 0 } : bounds),
  ];
  return short.length === 0 ? undefined : short.join('; ');
}

/** Whether what it says of an action depends on what it is beside, which no gold item tells. */
const ORDER = 'it puts actions in order, and no calibration measures an order';
const SHOWN = {
  alone: 'it was calibrated on actions alone',
  with_after: 'it was calibrated on actions with what came after them',
  either: 'it was calibrated',
};
const REWARDED = {
  alone: 'actions that are drawn anew, after which nothing came',
  with_after: 'recorded actions, of which it sees what came after them',
};

function howTo({ name }: PresentJudge): string {
  return `"gyre judge calibrate ${name} --gold FILE" shows whether it tells right from wrong`;
}

function passed(calibration: Calibration | undefined): string {
  if (calibration === undefined) return 'it knows right from wrong';
  const { n, accuracy, falseAccept, probes } = calibration.numbers;
  const untried = probes.find(({ places }) => places?.tool === 0);
  return (
    `on ${n} gold items it is right in at least ${accuracy.ci95[0].toFixed(3)}, ` +
    `and accepts at most ${falseAccept.ci95[1].toFixed(3)} of what is bad` +
    (untried === undefined ? '' : '; no order in a tool output was tried: its gold has none')
  );
}
