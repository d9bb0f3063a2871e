/**
 * The OpenAI endpoint of a model judge, by OpenAI's own client: its retries with back-off, its `retry-after`. What it
 * cannot be trusted with is bounded here: how long an answer takes to its last byte, and how large it is.
 */
import OpenAI from 'openai';
import { z } from 'zod';

import { GyreError, reasonOf } from '../../core/errors.js';
import { apiPath } from '../../policy/engine/sample.js';
import type { AnswerToken } from './word.js';
import type { Prompt } from './prompt.js';

/** Bytes of one answer: an explanation of a few hundred tokens, each with the likeliest at its place. */
const ANSWER_BYTES = 2 * 1024 * 1024;
/** The likeliest tokens that are asked for. */
const TOP = 5;

export interface EndpointOptions {
  /** With or without `/v1`. */
  readonly url: string;
  readonly model: string;
  readonly apiKey?: string | undefined;
  readonly timeoutMs: number;
  readonly retries: number;
}

export interface JudgeAnswer {
  readonly text: string;
  readonly tokens: readonly AnswerToken[];
  /** Whether its bound of tokens ended it. */
  readonly cut: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** What is read of an answer; anything else may be missing or wrong. */
const Completion = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z
          .object({
            content: z
              .array(
                z.object({
                  token: z.string(),
                  top_logprobs: z.array(z.object({ token: z.string(), logprob: z.number() })).default([]),
                }),
              )
              .nullish(),
          })
          .nullish()
          .catch(undefined),
      }),
    )
    .min(1),
  usage: z
    .object({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() })
    .nullish()
    .catch(undefined),
});

export class Endpoint {
  readonly #client: OpenAI;
  readonly #options: EndpointOptions;
  /** It has refused to say how likely its tokens were. */
  #silent = false;

  constructor(options: EndpointOptions) {
    this.#options = options;
    const { origin, pathname } = new URL(options.url);
    this.#client = new OpenAI({
      baseURL: origin + apiPath(pathname),
      apiKey: options.apiKey ?? 'none',
      maxRetries: options.retries,
      timeout: options.timeoutMs,
      fetch: (url, init) => bounded(url, init, options.timeoutMs),
    });
  }

  /** Throws an error of the judge's side: it cannot be reached, refuses, takes too long, or answers no completion. */
  async ask(
    { system, user }: Prompt,
    sampling: { readonly temperature: number; readonly maxTokens: number },
    signal: AbortSignal,
  ): Promise<JudgeAnswer> {
    const body = {
      model: this.#options.model,
      messages: [
        ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
        { role: 'user' as const, content: user },
      ],
      temperature: sampling.temperature,
      max_tokens: sampling.maxTokens,
    };
    let raw: unknown;
    try {
      raw = await this.#complete(body, signal);
    } catch (cause) {
      signal.throwIfAborted();
      // "Connection error." of the client stands for what happened.
      const inner = cause instanceof OpenAI.APIConnectionError ? cause.cause : undefined;
      throw this.#fault(reasonOf(inner ?? cause), cause);
    }
    const read = Completion.safeParse(raw);
    if (!read.success) throw this.#fault('its answer is no chat completion');
    const [choice] = read.data.choices;
    const { usage } = read.data;
    return {
      text: choice?.message.content ?? '',
      tokens: (choice?.logprobs?.content ?? []).map(({ token, top_logprobs: top }) => ({ token, top })),
      cut: choice?.finish_reason === 'length',
      promptTokens: usage?.prompt_tokens ?? 0,
      completionTokens: usage?.completion_tokens ?? 0,
    };
  }

  async #complete(
    body: Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'>,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (!this.#silent)
      try {
        return await this.#client.chat.completions.create({ ...body, logprobs: true, top_logprobs: TOP }, { signal });
      } catch (refused) {
        // Many servers do not know how likely their tokens are; what else they refuse, they refuse again.
        if (!(refused instanceof OpenAI.BadRequestError || refused instanceof OpenAI.UnprocessableEntityError))
          throw refused;
      }
    const answer = await this.#client.chat.completions.create(body, { signal });
    this.#silent = true;
    return answer;
  }

  #fault(reason: string, cause?: unknown): GyreError {
    const { model, url } = this.#options;
    return new GyreError({
      side: 'judge',
      status: 502,
      code: 'judge_failed',
      message: `the model "${model}" at ${url}: ${reason}`,
      discreet: `the model "${model}" could not be asked`,
      cause,
    });
  }
}

/** Reads the whole answer before it gives it on, within a time and a size. */
async function bounded(
  url: Parameters<typeof fetch>[0],
  init: Parameters<typeof fetch>[1],
  timeoutMs: number,
): Promise<Response> {
  const late = AbortSignal.timeout(timeoutMs);
  const signal = init?.signal === undefined || init.signal === null ? late : AbortSignal.any([init.signal, late]);
  const response = await fetch(url, { ...init, signal });
  if (response.body === null) return response;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES) throw new Error(`its answer has more than ${ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  const { status, statusText, headers } = response;
  const plain = new Headers(headers);
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) plain.delete(name);
  return new Response(Buffer.concat(parts), { status, statusText, headers: plain });
}
