/** Who compares answers to live conversations, in which way, and how often that one errs. */
import type { Config, ModelJudge } from '../../core/config.js';
import { type Calibration, shortfalls } from '../../core/judging/calibration.js';
import { COMPARING_KINDS } from '../../core/judging/gate_key.js';
import type { ChosenComparer, LiveJudge, PairComparer } from '../../core/judging/live.js';
import { LEAST_PAIRS } from '../../core/judging/pairs.js';
import type { Judge } from '../../core/learning/judging.js';
import type { LearningStore } from '../../core/ports.js';
import { wordComparer } from '../../judge/by_words.js';
import { modelComparer } from '../../judge/model/compare.js';
import { LEAST_SEEN, pairError, seenOf, wordError } from '../../promote/judge_error.js';
import { boundsIn, modelOptions, type ModelsAsked } from './configured.js';

interface Parts extends Pick<LearningStore, 'verdicts'> {
  readonly asking: ModelsAsked;
  /** The newest of each version of each judge. */
  readonly calibrations: () => readonly Calibration[];
}

/**
 * The judge that is named, or the first whose present version has passed a calibration, models before the others.
 * Undefined where nobody could, or nothing is held out that could be asked.
 */
export function liveJudgeIn(
  config: Config,
  judges: readonly Judge[],
  { verdicts, asking, calibrations }: Parts,
): LiveJudge | undefined {
  const able = ableIn(config).flatMap(({ name }) => judges.find((judge) => judge.name === name) ?? []);
  if (able.length === 0) return undefined;
  const comparers = new Map<string, PairComparer | undefined>();
  const pairComparer = (judge: Judge): PairComparer | undefined => {
    if (!comparers.has(judge.name)) comparers.set(judge.name, pairComparerIn(config, judge, { verdicts, asking }));
    return comparers.get(judge.name);
  };
  return {
    chosen() {
      const known = calibrations();
      for (const judge of able) {
        const own = known.find((each) => each.judge === judge.name && each.judgeVersion === judge.version);
        if (own === undefined || shortfalls(own.numbers, boundsIn(config)).length > 0) continue;
        return Promise.resolve(chosenBy(judge, own, pairComparer(judge)));
      }
      return Promise.resolve(
        `the judge "${able[0]?.name ?? ''}" would compare, and no calibration has shown that it can judge`,
      );
    },
  };
}

/** Shown both answers where that was measured and is of use, else by its words. */
function chosenBy(judge: Judge, { numbers }: Calibration, pairs: PairComparer | undefined): ChosenComparer {
  const byWords = { comparer: wordComparer(judge), error: wordError(numbers) };
  if (pairs === undefined) return byWords;
  const error = pairError(numbers, pairs.version);
  if (error === undefined)
    return {
      ...byWords,
      note:
        "each answer by itself: the judge's calibration has not measured how it compares two " +
        `(on ${LEAST_PAIRS} pairs of gold items of one state at least)`,
    };
  const seen = seenOf(error);
  if (seen >= LEAST_SEEN) return { comparer: pairs, error };
  return {
    ...byWords,
    note: `each answer by itself: shown two, the judge sees ${(100 * seen).toFixed(0)} % of a difference`,
  };
}

/** The configured judges that may compare, in the order in which they are preferred. */
function ableIn({ gate, judges }: Config): Config['judges'] {
  const { judge: named, heldout, shadow } = gate;
  if (heldout === 0 && !shadow) return [];
  const able = judges.filter(({ kind }) => COMPARING_KINDS.some((each) => each === kind));
  if (named !== undefined) return able.filter(({ name }) => name === named);
  return [...able.filter(({ kind }) => kind === 'model'), ...able.filter(({ kind }) => kind !== 'model')];
}

/** By a prompt of its own, where the judge is a model that may compare and is to be shown both answers. */
export function pairComparerIn(
  config: Config,
  judge: Pick<Judge, 'name' | 'version'>,
  { verdicts, asking }: Pick<Parts, 'verdicts' | 'asking'>,
): PairComparer | undefined {
  const declared = ableIn(config).find((each): each is ModelJudge => each.kind === 'model' && each.name === judge.name);
  if (declared === undefined || config.gate.compare === 'words') return undefined;
  return modelComparer(modelOptions(declared, { verdicts }), judge.version, asking.get(declared.name));
}
