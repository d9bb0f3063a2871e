/**
 * The OpenAI endpoint of a model judge, by OpenAI's own client: its retries with back-off, its `retry-after`. What it
 * cannot be trusted with is bounded here: how long an answer takes to its last byte, how large it is, and how long it
 * may let one wait. Each request waits for its turn before it is sent, retries as well, and says what it took.
 */
import OpenAI from 'openai';
import { z } from 'zod';

import { GyreError, reasonOf } from '../../core/errors.js';
import { onAbort } from '../../core/running/abort.js';
import { apiPath } from '../../policy/engine/sample.js';
import type { AnswerToken } from './word.js';
import type { Prompt } from './prompt.js';

/** Bytes of one answer: an explanation of a few hundred tokens, each with the likeliest at its place. */
const ANSWER_BYTES = 2 * 1024 * 1024;
/** The likeliest tokens that are asked for. */
const TOP = 5;
/** Who is to be asked again later than that is asked again by nobody here. */
export const LONGEST_BACK_OFF_MS = 60_000;
/** The client's own clock would count what is waited for; the longest that a timer can be set to. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

type Fetch = (url: Parameters<typeof fetch>[0], init?: Parameters<typeof fetch>[1]) => Promise<Response>;

export interface EndpointOptions {
  /** With or without `/v1`. */
  readonly url: string;
  readonly model: string;
  readonly apiKey?: string | undefined;
  readonly timeoutMs: number;
  readonly retries: number;
  /** The platform's, where it is not said. */
  readonly fetch?: Fetch | undefined;
}

export interface JudgeAnswer {
  readonly text: string;
  readonly tokens: readonly AnswerToken[];
  /** Whether its bound of tokens ended it. */
  readonly cut: boolean;
}

export interface Took {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

const NOTHING: Took = { promptTokens: 0, completionTokens: 0 };

/** Resolves when a request may be sent; what it gives is told what that one took. Throws where it may not be sent. */
export type Turn = () => Promise<(took: Took) => void>;

/** What is asked, and about how many tokens the prompt has, for where nobody says. */
export interface Question extends Prompt {
  readonly promptTokens: number;
  readonly temperature: number;
  readonly maxTokens: number;
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
});

const Usage = z.object({
  usage: z.object({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() }),
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
      timeout: NO_TIMEOUT_MS,
      defaultHeaders: { 'X-Stainless-Timeout': null },
    });
  }

  /**
   * Throws an error of the judge's side: it cannot be reached, refuses, takes too long, or answers no completion; and
   * what `turn` throws.
   */
  async ask(question: Question, turn: Turn, signal: AbortSignal): Promise<JudgeAnswer> {
    signal.throwIfAborted();
    const sending = new Sending(question.promptTokens, turn, this.#options);
    let raw: unknown;
    try {
      raw = await orAborted(this.#complete(question, sending, signal), sending, signal);
      sending.answered(raw);
    } catch (cause) {
      signal.throwIfAborted();
      if (sending.refusal !== undefined) throw sending.refusal;
      // "Connection error." of the client stands for what happened.
      const inner = cause instanceof OpenAI.APIConnectionError ? cause.cause : undefined;
      throw this.#fault(reasonOf(inner ?? cause), cause);
    } finally {
      sending.ended();
    }
    const read = Completion.safeParse(raw);
    if (!read.success) throw this.#fault('its answer is no chat completion');
    const [choice] = read.data.choices;
    return {
      text: choice?.message.content ?? '',
      tokens: (choice?.logprobs?.content ?? []).map(({ token, top_logprobs: top }) => ({ token, top })),
      cut: choice?.finish_reason === 'length',
    };
  }

  async #complete(question: Question, sending: Sending, signal: AbortSignal): Promise<unknown> {
    const { system, user, temperature, maxTokens } = question;
    const client = this.#client.withOptions({ fetch: (url, init) => sending.fetch(url, init) });
    const body = {
      model: this.#options.model,
      messages: [
        ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
        { role: 'user' as const, content: user },
      ],
      temperature,
      max_tokens: maxTokens,
    };
    if (!this.#silent)
      try {
        return await client.chat.completions.create({ ...body, logprobs: true, top_logprobs: TOP }, { signal });
      } catch (refused) {
        // Many servers do not know how likely their tokens are; what else they refuse, they refuse again.
        if (!(refused instanceof OpenAI.BadRequestError || refused instanceof OpenAI.UnprocessableEntityError))
          throw refused;
      }
    const answer = await client.chat.completions.create(body, { signal });
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

/** The requests that are sent for one question. */
class Sending {
  readonly #promptTokens: number;
  readonly #turn: Turn;
  readonly #options: Pick<EndpointOptions, 'timeoutMs' | 'fetch'>;
  /** Of the one that was answered with more than a status. */
  #open: ((took: Took) => void) | undefined;
  #took = NOTHING;
  #over = false;
  #sent: Promise<unknown> = Promise.resolve();
  /** Why the last one was not sent. */
  refusal: Error | undefined;

  constructor(promptTokens: number, turn: Turn, options: Pick<EndpointOptions, 'timeoutMs' | 'fetch'>) {
    this.#promptTokens = promptTokens;
    this.#turn = turn;
    this.#options = options;
  }

  readonly fetch: Fetch = async (url, init) => {
    let ended: (took: Took) => void;
    try {
      ended = await this.#turn();
    } catch (refusal) {
      this.refusal = refusal instanceof Error ? refusal : new Error(reasonOf(refusal));
      // The client takes whatever is thrown for a broken connection, and tries again.
      return new Response(null, { status: 429, headers: { 'x-should-retry': 'false' } });
    }
    const late = AbortSignal.timeout(this.#options.timeoutMs);
    let took = NOTHING;
    try {
      const answering = bounded(this.#options.fetch ?? fetch, url, init, late);
      this.#sent = answering.catch(() => undefined);
      const response = await answering;
      if (!response.ok) return patient(response);
      // Also where it cannot be read, or is read by nobody any more.
      took = this.#prompt;
      if (!this.#over) [this.#open, this.#took] = [ended, took];
      return response;
    } catch (thrown) {
      // A server that was left has read the prompt all the same.
      if (late.aborted || init?.signal?.aborted === true || thrown instanceof TooLarge) took = this.#prompt;
      throw thrown;
    } finally {
      if (this.#open !== ended) ended(took);
    }
  };

  /** The answer as it was read. */
  answered(raw: unknown): void {
    const { data } = Usage.safeParse(raw);
    this.#took = data === undefined ? NOTHING : tookIn(data.usage);
  }

  /** Nobody waits for it any more. */
  ended(): void {
    this.#over = true;
    this.#open?.(this.#took);
    this.#open = undefined;
  }

  /** Resolves when nothing is under way. */
  settled(): Promise<unknown> {
    return this.#sent;
  }

  get #prompt(): Took {
    return { ...NOTHING, promptTokens: this.#promptTokens };
  }
}

function tookIn(usage: z.infer<typeof Usage>['usage']): Took {
  return { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens };
}

class TooLarge extends Error {}

/** Reads the whole answer before it gives it on, within a time and a size. */
async function bounded(
  send: Fetch,
  url: Parameters<Fetch>[0],
  init: Parameters<Fetch>[1],
  late: AbortSignal,
): Promise<Response> {
  const signal = init?.signal === undefined || init.signal === null ? late : AbortSignal.any([init.signal, late]);
  const response = await send(url, { ...init, signal });
  if (response.body === null) return response;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES) throw new TooLarge(`its answer has more than ${ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  const { status, statusText, headers } = response;
  const plain = new Headers(headers);
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) plain.delete(name);
  return new Response(Buffer.concat(parts), { status, statusText, headers: plain });
}

/** One that says when to ask again is not waited for longer than a while. */
function patient(response: Response): Response {
  const { headers } = response;
  const said = headers.get('retry-after') ?? '';
  const seconds = Number.isNaN(Number.parseFloat(said))
    ? (Date.parse(said) - Date.now()) / 1_000
    : Number.parseFloat(said);
  const ms = headers.has('retry-after-ms') ? Number.parseFloat(headers.get('retry-after-ms') ?? '') : seconds * 1_000;
  if (ms > LONGEST_BACK_OFF_MS) headers.set('x-should-retry', 'false');
  return response;
}

/** Rejects when the signal fires and what was sent is broken off: the client sleeps on before it tries again. */
async function orAborted<T>(promise: Promise<T>, sending: Sending, signal: AbortSignal): Promise<T> {
  let leave: (reason: unknown) => void = () => undefined;
  const left = new Promise<never>((_, reject) => (leave = reject));
  const stop = onAbort(signal, () => void sending.settled().then(() => leave(signal.reason)));
  try {
    return await Promise.race([promise, left]);
  } finally {
    stop();
  }
}
