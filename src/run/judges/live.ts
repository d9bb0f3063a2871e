/** Who compares answers to live conversations, and how often that one errs. */
import type { Config } from '../../core/config.js';
import { type Calibration, shortfalls } from '../../core/judging/calibration.js';
import type { Judge } from '../../core/learning/judging.js';
import type { LiveJudge } from '../../core/judging/live.js';
import type { LearningStore } from '../../core/ports.js';
import { modelComparer } from '../../judge/model/compare.js';
import { boundsIn, modelOptions, type ModelsAsked } from './configured.js';

interface Parts extends Pick<LearningStore, 'verdicts'> {
  readonly asking: ModelsAsked;
  /** The newest of each version of each judge. */
  readonly calibrations: () => readonly Calibration[];
}

/** The judge that is named, or the first model; its errors as long as its present version has passed a calibration. */
export function liveJudgeIn(
  config: Config,
  judges: readonly Judge[],
  { verdicts, asking, calibrations }: Parts,
): LiveJudge | undefined {
  const { judge: named, heldout, shadow } = config.gate;
  const models = config.judges.flatMap((each) => (each.kind === 'model' ? [each] : []));
  const declared = models.find(({ name }) => name === named) ?? models[0];
  const judge = judges.find(({ name }) => name === declared?.name);
  if (declared === undefined || judge === undefined || (heldout === 0 && !shadow)) return undefined;
  return {
    comparer: modelComparer(modelOptions(declared, { verdicts }), judge.version, asking.get(declared.name)),
    error() {
      const own = calibrations().find((each) => each.judge === judge.name && each.judgeVersion === judge.version);
      if (own === undefined || shortfalls(own.numbers, boundsIn(config)).length > 0) return Promise.resolve(undefined);
      const { n, falseAccept, falseReject } = own.numbers;
      return Promise.resolve({ falseAccept: falseAccept.accuracy, falseReject: falseReject.accuracy, n });
    },
  };
}
