/**
 * What in an update's numbers says that something is wrong with the policy, whatever the judges think of it. Pure. The
 * bounds are far from what a healthy update shows: an alarm is for a person to look at.
 */
import type { UpdateNumbers } from './update.js';

export const BOUNDS = {
  /** Nats a token that one update may move the policy. The trainer keeps to it; one that does not is found here. */
  kl_before: 0.05,
  /** Nats a token from the base: this far on nothing of the base's manners can be counted on. */
  kl_base: 1,
  /**
   * Nats a token. A policy that has learned to call the right tool is rightly sure of most tokens (0.02 to 0.05); below
   * this it does one thing only, and no sample of a group differs from another.
   */
  entropy: 0.005,
  /** Times as long, or as short, as the samples of the update before. */
  length: 3,
  /** So long, in tokens, samples are compared with the shortest of all updates before as well: it grows by and by. */
  long: 128,
  /** Where tools can be called: nearly never or nearly always, when one of the updates before was well between. */
  tool_call_rate: { least: 0.02, most: 0.98, between: [0.1, 0.9] },
  /** Share of samples with calls that cannot be understood, where it also grew by `more`. */
  parse_failures: { most: 0.2, more: 0.1 },
  /** Share of samples that mostly repeat themselves, where it also grew by `more` within the updates before. */
  repeated_text: { most: 0.1, more: 0.05 },
  /** Updates that one is compared with: what slides a little each time is seen over several. */
  updates: 8,
  /** Mean of pi / mu: beyond it the samples are not those of the policy that is trained. */
  ratio_mean: { least: 0.8, most: 1.25 },
  /**
   * Share of the tokens whose pi / mu is beyond these. The mean of pi / mu over what mu has sampled is 1 however far
   * apart the two are, unless rounding or rare tokens give it away: how they scatter tells.
   */
  ratio_tails: { below: 0.5, above: 2, most: 0.2 },
  /** Before clipping; healthy ones are about 1. */
  grad_norm: 100,
  /** Samples that a share or a mean is of, at least, so that a small cycle does not raise it. */
  samples: 64,
} as const;

export const ALARMS = [
  'kl_before',
  'kl_base',
  'entropy',
  'length',
  'tool_call_rate',
  'parse_failures',
  'repeated_text',
  'ratio_mean',
  'ratio_tails',
  'grad_norm',
] as const;
export type AlarmName = (typeof ALARMS)[number];

export interface Alarm {
  readonly name: AlarmName;
  readonly value: number;
  /** The bound it went beyond. */
  readonly bound: number;
  /** One sentence. */
  readonly reason: string;
}

/** One trained version, in the numbers of its update. */
export interface Update {
  readonly version: number;
  readonly numbers: UpdateNumbers;
  readonly alarms: readonly Alarm[];
}

/**
 * `before`: the numbers of the version that was trained on, then of what that was trained on, and so on; what compares
 * with them is silent without.
 */
export function alarmsOf(now: UpdateNumbers, before: readonly UpdateNumbers[] = []): readonly Alarm[] {
  const past = before.slice(0, BOUNDS.updates);
  const { drawn } = enough(now);
  const earlier = past.flatMap((each) => enough(each).drawn ?? []);
  const found: Alarm[] = [];
  const raise = (name: AlarmName, value: number, bound: number, reason: string): void => {
    found.push({ name, value, bound, reason: `${name} ${shown(value)}: ${reason}` });
  };
  const above = (name: AlarmName, value: number | undefined, bound: number, reason: string): void => {
    if (value !== undefined && value > bound) raise(name, value, bound, `${reason} (at most ${bound})`);
  };
  const below = (name: AlarmName, value: number | undefined, bound: number, reason: string): void => {
    if (value !== undefined && value < bound) raise(name, value, bound, `${reason} (at least ${bound})`);
  };

  above('kl_before', now.kl_before, BOUNDS.kl_before, 'nats a token from the version that was trained on');
  above('kl_base', now.kl_base, BOUNDS.kl_base, 'nats a token from the base');
  below('entropy', now.entropy, BOUNDS.entropy, 'nats a token, the policy does one thing only');
  if (drawn !== undefined && earlier.length > 0) {
    const last = enough(before[0] ?? {}).drawn?.mean_length;
    const shortest = Math.min(...earlier.map((each) => each.mean_length));
    const from = drawn.mean_length >= BOUNDS.long ? shortest : last;
    if (from !== undefined)
      above('length', drawn.mean_length, BOUNDS.length * from, `tokens a sample after ${shown(from)}`);
    if (last !== undefined)
      below('length', drawn.mean_length, last / BOUNDS.length, `tokens a sample after ${shown(last)}`);
    const { least, most, between } = BOUNDS.tool_call_rate;
    const usual = past.map(callRate).find((rate) => rate !== undefined && rate >= between[0] && rate <= between[1]);
    if (usual !== undefined) {
      below('tool_call_rate', callRate(now), least, `of the samples call a tool, after ${shown(usual)}`);
      above('tool_call_rate', callRate(now), most, `of the samples call a tool, after ${shown(usual)}`);
    }
    const grown = (
      name: 'parse_failures' | 'repeated_text',
      share: number,
      were: readonly number[],
      reason: string,
    ): void => {
      const { most: bound, more } = BOUNDS[name];
      const fewest = Math.min(...were);
      if (share > fewest + more) above(name, share, bound, `of the samples ${reason}, after ${shown(fewest)}`);
    };
    const failing = earlier.map((each) => each.parse_failures);
    grown('parse_failures', drawn.parse_failures, failing, 'have a call that cannot be understood');
    const repeating = earlier.flatMap((each) => each.repeating ?? []);
    if (drawn.repeating !== undefined) grown('repeated_text', drawn.repeating, repeating, 'repeat themselves');
  }
  const otherwise = 'mean of pi / mu, the samples are not those of the policy that is trained';
  above('ratio_mean', now.ratio_mean, BOUNDS.ratio_mean.most, otherwise);
  below('ratio_mean', now.ratio_mean, BOUNDS.ratio_mean.least, otherwise);
  const { below: least, above: most, most: share } = BOUNDS.ratio_tails;
  above('ratio_tails', tailsOf(now), share, `of the tokens have pi / mu below ${least} or above ${most}`);
  above('grad_norm', now.grad_norm, BOUNDS.grad_norm, 'norm of the gradient before clipping');
  return found;
}

/** Undefined where no ratio is known. */
function tailsOf({ ratio_histogram: histogram }: UpdateNumbers): number | undefined {
  const { edges = [], tokens = [] } = histogram ?? {};
  const all = tokens.reduce((sum, count) => sum + count, 0);
  if (all === 0) return undefined;
  const { below, above } = BOUNDS.ratio_tails;
  // Each count is of the tokens up to its edge, the last of those above all edges.
  const beyond = tokens.filter((_, at) => (edges[at] ?? Infinity) <= below || (edges[at - 1] ?? 0) >= above);
  return beyond.reduce((sum, count) => sum + count, 0) / all;
}

function enough({ drawn }: UpdateNumbers): Pick<UpdateNumbers, 'drawn'> {
  return drawn !== undefined && drawn.samples >= BOUNDS.samples ? { drawn } : {};
}

function callRate({ drawn }: UpdateNumbers): number | undefined {
  return drawn !== undefined && drawn.callable >= BOUNDS.samples ? drawn.tool_call_rate : undefined;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(3)));
}
