/**
 * What one update of the policy did, in numbers. They stand in the version's `metrics`, with whatever else is there.
 * Read without a schema library: threads that read versions are up sooner without one.
 */
import { isObject } from '../text/json.js';

/**
 * Of the samples a batch was made of, all of them, also those that were left out of it. They were drawn by the version
 * that was trained on, so what an update does to them is seen with the next one.
 */
export interface Drawn {
  readonly samples: number;
  /** Tokens a sample. */
  readonly mean_length: number;
  /** Share of the samples that were cut at the bound. */
  readonly cut: number;
  /** Share of the samples with a call that could not be understood. */
  readonly parse_failures: number;
  /** Samples at states in which a tool could be called. */
  readonly callable: number;
  /** Share of those that call one; absent where there are none. */
  readonly tool_call_rate?: number | undefined;
  /** Share of the samples that mostly say again what they have said; absent in rows of before it was counted. */
  readonly repeating?: number | undefined;
}

/** How many tokens had which ratio pi / mu of what is trained to what sampled them. */
interface RatioHistogram {
  readonly edges: readonly number[];
  /** Tokens up to each edge, and one number more for those above the last. */
  readonly tokens: readonly number[];
}

/** A number is missing in rows of before it was measured, and of a trainer that does not measure it. */
export interface UpdateNumbers {
  /** Nats a token that the update moved the policy: KL(policy before || policy after) where the batch's actions are. */
  readonly kl_before?: number | undefined;
  /** KL(policy after || base), in nats a token. */
  readonly kl_base?: number | undefined;
  /** Of the policy after, in nats a token. */
  readonly entropy?: number | undefined;
  /** 1, or 0.5 where the whole step would have moved the policy too far. */
  readonly step_scale?: number | undefined;
  /** Of Adam, after a halving. */
  readonly learning_rate?: number | undefined;
  /** Tokens an action of the batch. */
  readonly mean_length?: number | undefined;
  /** Norm of the gradient before it was clipped. */
  readonly grad_norm?: number | undefined;
  /** Mean of pi / mu over the batch's tokens. */
  readonly ratio_mean?: number | undefined;
  readonly ratio_histogram?: RatioHistogram | undefined;
  readonly drawn?: Drawn | undefined;
}

const NUMBERS = [
  'kl_before',
  'kl_base',
  'entropy',
  'step_scale',
  'learning_rate',
  'mean_length',
  'grad_norm',
  'ratio_mean',
] as const satisfies readonly (keyof UpdateNumbers)[];
const DRAWN = ['samples', 'mean_length', 'cut', 'parse_failures', 'callable'] as const satisfies (keyof Drawn)[];

/** Those among a version's metrics. */
export function updateNumbers(metrics: Readonly<Record<string, unknown>>): UpdateNumbers {
  const { ratio_histogram: histogram, drawn } = metrics;
  return {
    ...numbersAmong(metrics, NUMBERS),
    ...(isHistogram(histogram) ? { ratio_histogram: histogram } : {}),
    ...(isDrawn(drawn) ? { drawn } : {}),
  };
}

function numbersAmong<K extends string>(
  from: Readonly<Record<string, unknown>>,
  names: readonly K[],
): { [k in K]?: number } {
  const found: { [k in K]?: number } = {};
  for (const name of names) {
    const value = from[name];
    if (typeof value === 'number') found[name] = value;
  }
  return found;
}

function isHistogram(value: unknown): value is RatioHistogram {
  if (!isObject(value)) return false;
  const { edges, tokens } = value;
  const numbers = (list: unknown): list is number[] => Array.isArray(list) && list.every((n) => typeof n === 'number');
  return numbers(edges) && numbers(tokens) && tokens.length === edges.length + 1;
}

function isDrawn(value: unknown): value is Drawn {
  if (!isObject(value)) return false;
  const isNumber = (name: keyof Drawn): boolean => typeof value[name] === 'number';
  const lacks = (name: keyof Drawn): boolean => value[name] === undefined;
  return (
    DRAWN.every(isNumber) && (['tool_call_rate', 'repeating'] as const).every((name) => lacks(name) || isNumber(name))
  );
}
