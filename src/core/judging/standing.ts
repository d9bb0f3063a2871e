/** Which judges may reward, and why the others only filter: by what is configured, and by how they were calibrated. */
import { NEVER_REWARD, needsCalibration } from '../learning/deciding.js';
import type { JudgeKind } from '../learning/judging.js';
import { type Calibration, type CalibrationBounds, shortfalls } from './calibration.js';

/** A judge as it is configured now. */
export interface PresentJudge {
  readonly name: string;
  readonly kind: JudgeKind;
  /** Absent where it cannot be made, as where the file of its prompt is gone; and of people. */
  readonly version?: string | undefined;
  /** Why it cannot be made. */
  readonly fault?: string | undefined;
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
    const calibration = own.find(({ judgeVersion }) => judgeVersion === judge.version);
    const stands = (mayReward: boolean, why: string): JudgeStanding => ({ ...judge, mayReward, why, calibration });
    if (NEVER_REWARD.some((name) => name === judge.name)) return stands(false, 'it does not know right from wrong');
    if (judge.fault !== undefined) return stands(false, judge.fault);
    const short = calibration === undefined ? undefined : shortfalls(calibration.numbers, bounds);
    const shown = short === undefined ? unshown(judge, own) : short.length > 0 ? short.join('; ') : undefined;
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

function unshown(judge: PresentJudge, earlier: readonly Calibration[]): string | undefined {
  if (!needsCalibration(judge)) return undefined;
  const how = `"gyre judge calibrate ${judge.name} --gold FILE" shows whether it tells right from wrong`;
  const [last] = earlier;
  return last === undefined
    ? `it is not calibrated: ${how}`
    : `it was calibrated as version ${last.judgeVersion}, and is version ${judge.version ?? ''} now: ${how}`;
}

function passed(calibration: Calibration | undefined): string {
  if (calibration === undefined) return 'it knows right from wrong';
  const { n, accuracy, falseAccept } = calibration.numbers;
  return (
    `on ${n} gold items it is right in at least ${accuracy.ci95[0].toFixed(3)}, ` +
    `and accepts at most ${falseAccept.ci95[1].toFixed(3)} of what is bad`
  );
}
