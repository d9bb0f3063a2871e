/**
 * `/v1/completions` of vLLM, or of any other server: a request with raw prompts, and a chunk of its reply as a chunk
 * of a chat completion would say the same. The only place that knows these field names.
 */
import type { PolicyRequest, RawPrompts, ReadPrompt, TokenLogprob } from '../../core/policy.js';
import type { Wanted } from '../../core/serving.js';
import type { Body } from './wire.js';
import type { Chunk, ChunkChoice } from './chunk.js';

/** The JSON body for our own engine: it is always asked for ids and log-probabilities. */
export function completionBody(request: PolicyRequest, raw: RawPrompts): Body {
  const value = {
    ...common(request, raw),
    // vLLM then leaves the prompt's text out of the answer's; its tokens are still among the log-probabilities.
    ...(raw.echo === 'engine' ? { echo: true } : {}),
    logprobs: request.topLogprobs ?? 0,
    ...request.forwarded,
    return_token_ids: true,
    stream: true,
    stream_options: { include_usage: true },
  };
  return { value };
}

/** The JSON body for anyone else's server: what the client itself asked for. */
export function upstreamCompletionBody(request: PolicyRequest, raw: RawPrompts, wanted: Wanted): Body {
  const value = {
    ...common(request, raw),
    ...(raw.echo === 'engine' ? { echo: true } : {}),
    ...(request.topLogprobs === undefined ? {} : { logprobs: request.topLogprobs }),
    ...request.forwarded,
    ...(wanted.tokenIds ? { return_token_ids: true } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
  return { value };
}

function common(request: PolicyRequest, { list }: RawPrompts): Readonly<Record<string, unknown>> {
  const [only] = list;
  return {
    model: request.model,
    prompt: list.length === 1 ? only : list,
    ...request.sampling,
    ...(request.n === undefined || request.n === 1 ? {} : { n: request.n }),
  };
}

interface LegacyLogprobs {
  readonly tokens?: readonly string[] | null | undefined;
  readonly token_logprobs?: readonly (number | null)[] | null | undefined;
  readonly top_logprobs?: readonly (Readonly<Record<string, number>> | null)[] | null | undefined;
}

interface LegacyChoice {
  readonly text?: unknown;
  readonly logprobs?: LegacyLogprobs | null | undefined;
  readonly token_ids?: unknown;
  readonly prompt_token_ids?: unknown;
  readonly finish_reason?: unknown;
  readonly stop_reason?: unknown;
}

/** The chunk as one of a chat completion. What stands of the prompt in it is told apart from what was sampled. */
export function asChatChunk(chunk: Chunk, raw: RawPrompts, maxTokens: number | undefined): Chunk {
  if (!Array.isArray(chunk.choices)) return chunk;
  return {
    ...chunk,
    choices: (chunk.choices as readonly LegacyChoice[]).map((each) => asChatChoice(each, raw, maxTokens)),
  };
}

function asChatChoice(choice: LegacyChoice, raw: RawPrompts, maxTokens: number | undefined): ChunkChoice {
  const entries = entriesOf(choice.logprobs);
  const ids =
    Array.isArray(choice.prompt_token_ids) && raw.inText !== true
      ? (choice.prompt_token_ids as readonly number[])
      : undefined;
  // Of an engine that does not say how it read the prompt it is not known where the prompt ends: but for the token that
  // nothing comes before, what it echoes passes for its answer.
  const unscored = entries.findIndex((entry) => entry.logprob !== null);
  const echoed = raw.echo !== 'engine' || entries.length === 0 ? 0 : (ids?.length ?? Math.max(0, unscored));
  const prompt: ReadPrompt | undefined =
    ids === undefined && echoed === 0
      ? undefined
      : { tokenIds: ids, ...(echoed === 0 ? {} : { tokens: entries.slice(0, echoed) }) };
  const sampled = entries.slice(echoed).filter((entry): entry is TokenLogprob => entry.logprob !== null);
  return {
    ...choice,
    delta: { content: choice.text },
    // vLLM draws a token also where none was asked for, and does not show it.
    token_ids: maxTokens === 0 ? undefined : choice.token_ids,
    logprobs: sampled.length === 0 ? undefined : { content: sampled },
    prompt,
  };
}

type Entry = NonNullable<ReadPrompt['tokens']>[number];

function entriesOf(wire: LegacyLogprobs | null | undefined): readonly Entry[] {
  const { tokens, token_logprobs: logprobs, top_logprobs: top } = wire ?? {};
  return (tokens ?? []).map((token, at) => ({
    token,
    logprob: logprobs?.[at] ?? null,
    bytes: null,
    top_logprobs: Object.entries(top?.[at] ?? {}).map(([word, logprob]) => ({ token: word, logprob, bytes: null })),
  }));
}
