/** What the samples of a cycle are like, whatever they are worth. Pure. */
import type { Sample } from '../core/learning/sample.js';
import type { Drawn } from '../core/learning/update.js';
import { isObjectJson } from '../core/text/arguments.js';

/** `callable`: whether a call could be run at the state of a step. Undefined where no sample was drawn. */
export function drawnNumbers(samples: readonly Sample[], callable: (stepId: string) => boolean): Drawn | undefined {
  if (samples.length === 0) return undefined;
  const share = (of: readonly Sample[], is: (sample: Sample) => boolean): number => of.filter(is).length / of.length;
  const could = new Map([...new Set(samples.map(({ stepId }) => stepId))].map((stepId) => [stepId, callable(stepId)]));
  const free = samples.filter(({ stepId }) => could.get(stepId) === true);
  return {
    samples: samples.length,
    mean_length: samples.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0) / samples.length,
    cut: share(samples, ({ cut }) => cut),
    parse_failures: share(samples, misunderstood),
    repeating: share(samples, ({ tokenIds }) => repeats(tokenIds)),
    callable: free.length,
    ...(free.length === 0 ? {} : { tool_call_rate: share(free, ({ calls }) => calls.length > 0) }),
  };
}

/** Tokens in a row that are looked at together, and tokens an action has to have before it can be said to repeat. */
const GRAM = 4;
const LEAST_TOKENS = 32;
/** Above this share of such groups that were there before. What people write has a few hundredths of them. */
const REPEATED = 0.5;

/** By seq-rep-4 of Welleck et al. (arXiv 1908.04319): one less the share of its groups of four that are different. */
function repeats(tokenIds: readonly number[]): boolean {
  const groups = tokenIds.length - GRAM + 1;
  if (tokenIds.length < LEAST_TOKENS) return false;
  const different = new Set(Array.from({ length: groups }, (_, at) => tokenIds.slice(at, at + GRAM).join(' ')));
  return 1 - different.size / groups > REPEATED;
}

/** Hermes-style markup is left in the text where the engine's parser could not read a call. A cut call is none. */
function misunderstood({ text, calls, cut }: Sample): boolean {
  return !cut && (/<\/?tool_call>/.test(text) || calls.some((call) => !isObjectJson(call.arguments)));
}
