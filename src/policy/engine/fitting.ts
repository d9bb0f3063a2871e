/**
 * A bound of tokens is an upper bound: where it is more than fits beside the prompt, it is brought down to that.
 * Servers refuse it instead, before they sample anything, so that asking once more is no retry of an action. What they
 * say of themselves in a refusal is remembered.
 */
import { GyreError } from '../../core/errors.js';
import type { PolicyRequest, Sampling } from '../../core/policy.js';
import { Reopening, type Stream } from './reopening.js';

/** What a server has said of one of its models. */
export interface Capacity {
  /** Tokens of prompt and answer together. */
  readonly length?: number | undefined;
  /** Tokens of an answer, whatever the prompt. */
  readonly most?: number | undefined;
}

/** What a refusal says of the model, and the sampling that is not refused for this reason. */
interface Fit extends Capacity {
  readonly sampling: Sampling;
}

/** A request whose prompt fits is refused for at most its upper and its lower bound. */
const TRIES = 3;

export class Capacities {
  readonly #byModel = new Map<string, Capacity>();

  of(model: string): Capacity | undefined {
    return this.#byModel.get(model);
  }

  learn(model: string, { length, most }: Capacity): void {
    const known = this.#byModel.get(model);
    this.#byModel.set(model, { length: length ?? known?.length, most: most ?? known?.most });
  }
}

/** Samples with `stream`, within what fits. `longest` counts the longest of raw prompts. */
export function fitting(
  request: PolicyRequest,
  capacities: Capacities,
  stream: (request: PolicyRequest) => Stream,
  longest: () => Promise<number>,
): Stream {
  const { max_tokens: most, min_tokens: least } = request.sampling;
  if (most === undefined && least === undefined) return stream(request);
  let asked = within(request, capacities.of(request.model));
  return new Reopening(
    () => stream(asked),
    async (thrown, tried) => {
      const fit = tried < TRIES ? fitOf(thrown, asked.sampling) : undefined;
      if (fit === undefined) return false;
      capacities.learn(asked.model, fit);
      asked = { ...asked, sampling: await bounded(asked, fit, longest) };
      return true;
    },
  );
}

/** Without a bound a raw prompt is gone on from by 16 tokens, so that there its length has to be asked for. */
async function bounded(
  { raw }: PolicyRequest,
  { length, sampling }: Fit,
  longest: () => Promise<number>,
): Promise<Sampling> {
  if (raw === undefined || length === undefined || sampling.max_tokens !== undefined) return sampling;
  const tokens = await longest().catch(() => undefined);
  // Where nothing fits it is asked for one token: then the refusal is about the prompt.
  return tokens === undefined ? sampling : { ...sampling, max_tokens: Math.max(1, length - tokens) };
}

function within(request: PolicyRequest, capacity: Capacity | undefined): PolicyRequest {
  const { sampling } = request;
  const { max_tokens: bound } = sampling;
  if (capacity === undefined || bound === undefined) return request;
  if (capacity.length !== undefined && bound >= capacity.length && request.raw === undefined)
    return { ...request, sampling: unbounded(sampling) };
  return capacity.most !== undefined && bound > capacity.most
    ? { ...request, sampling: { ...sampling, max_tokens: capacity.most } }
    : request;
}

/** Undefined where it was not refused for a bound, or where nothing fits beside the prompt. */
function fitOf(thrown: unknown, sampling: Sampling): Fit | undefined {
  if (!(thrown instanceof GyreError) || thrown.side !== 'engine' || thrown.status !== 400) return undefined;
  const said = thrown.message;
  const { max_tokens: bound, min_tokens: least } = sampling;
  if (least !== undefined) {
    const [fits] = numbers(said, /min_tokens must be less than or equal to max_tokens=(\d+)/);
    if (fits !== undefined && fits > 0 && fits < least) return { sampling: { ...sampling, min_tokens: fits } };
  }
  if (bound === undefined) return undefined;
  for (const pattern of LENGTHS) {
    const [length, ...parts] = numbers(said, pattern);
    if (length === undefined) continue;
    const prompt = parts.reduce((sum, part) => sum + part, 0);
    if (parts.length === 0) return { length, sampling: unbounded(sampling) };
    return prompt < length && length - prompt < bound
      ? { length, sampling: { ...sampling, max_tokens: length - prompt } }
      : undefined;
  }
  for (const pattern of MOST) {
    const [most] = numbers(said, pattern);
    if (most !== undefined && most > 0 && most < bound) return { most, sampling: { ...sampling, max_tokens: most } };
  }
  return undefined;
}

/**
 * Ways to say how much prompt and answer may be together, then how much the prompt is where that is said exactly. vLLM
 * itself bounds a request without a bound by what is left.
 */
const LENGTHS: readonly RegExp[] = [
  // vLLM, when the bound alone is too much, and when it is with the prompt, whose exact length it does not say.
  /max_(?:completion_)?tokens=\d+ cannot be greater than max_model_len=(?:max_total_tokens=)?(\d+)/,
  /maximum context length is (\d+) tokens\. However, you requested [1-9]\d* output tokens/,
  // vLLM before 0.12.
  /maximum context length is (\d+) tokens and your request has (\d+) input tokens/,
  // OpenAI, and whoever copies its words.
  new RegExp(
    'maximum context length is (\\d+) tokens\\. However, you requested \\d+ tokens ' +
      '\\((\\d+) in the (?:messages|prompt), (?:(\\d+) in the functions, )?(?:and )?[1-9]\\d* in the completion\\)',
  ),
  // SGLang.
  /maximum context length of (\d+) tokens\. You requested a total of \d+ tokens: (\d+) tokens from the input/,
  // Text Generation Inference.
  /must be <= (\d+)\. Given: (\d+) `inputs` tokens/,
];

/** Ways to say how much an answer may be: OpenAI, DeepSeek, Anthropic, Groq. */
const MOST: readonly RegExp[] = [
  /supports at most (\d+) completion tokens/,
  /valid range of max_tokens is \[1, (\d+)\]/,
  /max_tokens: \d+ > (\d+), which is the maximum/,
  /max_(?:completion_)?tokens`? must be less than or equal to `?(\d+)/,
];

function numbers(text: string, pattern: RegExp): number[] {
  return (pattern.exec(text)?.slice(1) ?? []).filter((group) => group !== undefined).map(Number);
}

function unbounded({ max_tokens: _bound, ...sampling }: Sampling): Sampling {
  return sampling;
}
