/**
 * Drift of judges: whether what one says of steps goes with how the answers came out, and with what people say, of the
 * actions of one version of the policy. A policy that has learned to please a judge shows here. Pure.
 */
import { normalMean } from './mean.js';
import { type Proportion, proportion } from './proportion.js';

export const DRIFTS = [
  /** Mean of its words on the steps of an answer, less whether the answer was right. */
  'outcome',
  /** How often it says what people say of the same steps. */
  'people',
] as const;
export type DriftName = (typeof DRIFTS)[number];

export interface DriftBounds {
  /** The difference between steps and outcomes has to be within, on either side of 0. */
  readonly drift: number;
  /** The agreement with people has to be above. */
  readonly agreement: number;
}

/** One judge on the actions of one version of the policy. */
export interface Drift {
  readonly version: number;
  readonly judge: string;
  readonly judgeVersion: string;
  readonly measure: DriftName;
  readonly n: number;
  readonly value: number;
  readonly ci95: readonly [number, number];
  readonly bound: number;
  /** Whether the whole interval is beyond the bound. It stops promotion. */
  readonly alarm: boolean;
  readonly createdAt: number;
}

/** What a judge said of the steps of one answer, on average, and whether the answer was right. */
export interface ProcessAndOutcome {
  readonly process: number;
  readonly outcome: boolean;
}

/** Answers, or steps, that are the least to tell anything by. */
const LEAST = 20;

type Measured = Pick<Drift, 'measure' | 'n' | 'value' | 'ci95' | 'bound' | 'alarm'>;

/** Undefined where there are too few. Answers are counted, since the steps of one stand and fall together. */
export function outcomeDrift(answers: readonly ProcessAndOutcome[], bound: number): Measured | undefined {
  if (answers.length < LEAST) return undefined;
  const { mean: value, n, ci95 } = normalMean(answers.map(({ process, outcome }) => process - Number(outcome)));
  return { measure: 'outcome', n, value, ci95, bound, alarm: ci95[0] > bound || ci95[1] < -bound };
}

/** `agreed`: of each step that both have judged, whether they say the same. */
export function peopleDrift(agreed: readonly boolean[], bound: number): Measured | undefined {
  if (agreed.length < LEAST) return undefined;
  const { accuracy, n, ci95 }: Proportion = proportion(agreed.map(Number));
  return { measure: 'people', n, value: accuracy, ci95, bound, alarm: ci95[1] < bound };
}

/** As a gate names it. */
export function alarmOf({ measure, judge, version }: Drift): string {
  return `drift_${measure} (${judge} on version ${version})`;
}

/** One sentence. */
export function driftSaid({ measure, judge, version, n, value, ci95, bound }: Drift): string {
  const interval = `${value.toFixed(3)} [${ci95[0].toFixed(3)}, ${ci95[1].toFixed(3)}]`;
  return measure === 'outcome'
    ? `of ${n} answers of version ${version} "${judge}" calls the steps good more often than they came out right by ` +
        `${interval}, at most ${bound} either way`
    : `on ${n} steps of version ${version} "${judge}" says what people say in ${interval} of them, at least ${bound}`;
}
