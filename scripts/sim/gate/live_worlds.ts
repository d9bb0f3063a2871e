/**
 * Live traffic without answers: candidates of a known worth, and judges that err. The gate's own functions decide;
 * nothing of them is written again here.
 */
import type { AnswerWord, JudgeError, Preference } from '../../../src/core/judging/live.js';
import { canaryPlan, canaryResult } from '../../../src/promote/canary.js';
import { look } from '../../../src/promote/look.js';
import { livePlan, nextStep } from '../../../src/promote/plan.js';
import { betterBy, preferred } from '../../../src/promote/preference.js';
import type { Random } from '../../chaos/random.js';

export interface World {
  /** How often what serves is right, and by how much the candidate is better. */
  readonly accuracy: number;
  readonly gain: number;
  /** How often both say the same. */
  readonly same: number;
}

export interface NoisyJudge {
  /** How often it takes what is bad for good, and what is good for bad. */
  readonly falseAccept: number;
  readonly falseReject: number;
  /** Whether it is shown both answers, or each alone. */
  readonly by: JudgeError['by'];
  /** Gold items that its calibration had, or pairs of them. */
  readonly n: number;
  /** How often it goes by the place alone, and prefers what stands first. */
  readonly position?: number;
  /** How often it says something else of the same answer when it is shown again. */
  readonly fickle?: number;
  /** How often it cannot tell of an answer by itself. */
  readonly untold?: number;
}

type Outcome = ReturnType<typeof preferred>;

/** What a calibration finds of it: by luck, as every calibration does. */
function calibrated(random: Random, judge: NoisyJudge): JudgeError {
  const { by, n } = judge;
  const share = (of: number, is: () => boolean): number => Array.from({ length: of }, is).filter(Boolean).length / of;
  if (by === 'words') {
    const wrong = (chance: number): number => share(n / 2, () => random.next() < chance);
    return { by, falseAccept: wrong(judge.falseAccept), falseReject: wrong(judge.falseReject), n };
  }
  const said = Array.from({ length: n }, () => preferenceOf(random, judge, true, false));
  const counted = (outcome: Outcome): number => said.filter((each) => each === outcome).length / n;
  return { by, right: counted('won'), wrong: counted('lost'), n };
}

const LIVE_POOL = 4096;

/** What a test of the gate came to, with a judge that errs. */
export function compared(
  random: Random,
  candidate: number,
  world: World,
  judge: NoisyJudge,
  margin = 0,
): { readonly passed: boolean; readonly asked: number } {
  const plan = livePlan(candidate, LIVE_POOL, 1024, { margin, error: calibrated(random, judge) });
  // A judge that sees next to nothing decides nothing.
  if (typeof plan === 'string') return { passed: false, asked: 0 };
  let [tasks, wins, losses] = [0, 0, 0];
  for (;;) {
    const step = nextStep(plan, tasks);
    for (let asked = 0; asked < step; asked += 1) {
      const outcome = oneOutcome(random, world, judge);
      if (outcome === 'won') wins += 1;
      if (outcome === 'lost') losses += 1;
    }
    tasks += step;
    const answered = { candidate: tasks, serving: tasks };
    const { ending } = look({ tasks, wins, losses, answered, unanswered: 0 }, plan);
    if (ending !== undefined) return { passed: ending === 'evidence', asked: tasks };
  }
}

function oneOutcome(random: Random, { accuracy, gain, same }: World, judge: NoisyJudge): Outcome {
  const flip = (share: number): boolean => share > 0 && random.next() < share;
  if (flip(same)) return 'tied';
  // What is gained is gained where they differ.
  const better = Math.max(0, Math.min(1, accuracy + gain / (1 - same)));
  return preferenceOf(random, judge, flip(better), flip(accuracy));
}

/** What comes of a good or a bad answer of the candidate, and of the other. */
function preferenceOf(random: Random, judge: NoisyJudge, candidateIsGood: boolean, servingIsGood: boolean): Outcome {
  const { by, falseAccept, falseReject, position = 0, fickle = 0, untold = 0 } = judge;
  const flip = (share: number): boolean => share > 0 && random.next() < share;
  const seen = (good: boolean): boolean => (good ? !flip(falseReject) : flip(falseAccept));
  const [candidate, serving] = [seen(candidateIsGood), seen(servingIsGood)];
  if (by === 'words') {
    const alone = (good: boolean): AnswerWord => (flip(untold) ? 'untold' : good ? 'good' : 'bad');
    return betterBy([alone(candidate), alone(serving)]);
  }
  const word = (first: boolean, second: boolean): Preference => {
    if (flip(position)) return 'first';
    const [a, b] = [first !== flip(fickle), second !== flip(fickle)];
    return a === b ? 'tie' : a ? 'first' : 'second';
  };
  return preferred([word(candidate, serving), word(serving, candidate)]);
}

/** The cycle that promoted one of up to `cycles` candidates, from 1; undefined where none was. */
export function firstPromoted(cycles: number, promotes: (candidate: number) => boolean): number | undefined {
  for (let cycle = 1; cycle <= cycles; cycle += 1) if (promotes(cycle)) return cycle;
  return undefined;
}

export interface Traffic {
  /** How often a conversation goes well with what serves, and by how much more with the candidate. */
  readonly good: number;
  readonly gain: number;
  /** How often something fails, and how much more with the candidate. */
  readonly fails: number;
  readonly failsMore: number;
  /** How often anybody says how it went, and how often that is wrong. */
  readonly told: number;
  readonly wrong: number;
  /** How much better the hour may be for everybody, up and down. */
  readonly drift: number;
}

/** Conversations after which a canary that has not ended is given up by the simulation. */
const MOST = 40_000;

export function canaried(
  random: Random,
  candidate: number,
  traffic: Traffic,
  how: { readonly share: number; readonly most: number; readonly gatePassed: boolean },
): { readonly stopped: string; readonly passed: boolean; readonly conversations: number } {
  const plan = canaryPlan(candidate, how.most, how.gatePassed);
  const outcomes: Parameters<typeof canaryResult>[1][number][] = [];
  const flip = (share: number): boolean => random.next() < share;
  for (;;) {
    // When one looks changes nothing: what is read after the first look that would have ended it does not count.
    for (let read = Math.max(500, outcomes.length); read > 0; read -= 1) {
      const isCandidate = flip(how.share);
      const hour = traffic.drift * Math.sin(outcomes.length / 300);
      const good = flip(traffic.good + hour + (isCandidate ? traffic.gain : 0));
      const failed = flip(traffic.fails + (isCandidate ? traffic.failsMore : 0));
      const said = good !== flip(traffic.wrong);
      outcomes.push({
        arm: isCandidate ? 'candidate' : 'serving',
        failed,
        ...(flip(traffic.told) ? { score: said ? 1 : 0, source: 'sim' } : {}),
      });
    }
    const result = canaryResult(plan, outcomes, []);
    if (result.decided)
      return { stopped: result.numbers.stopped, passed: result.passed, conversations: result.numbers.outcomes.length };
    if (outcomes.length >= MOST) return { stopped: 'unended', passed: false, conversations: outcomes.length };
  }
}
