/**
 * One request to the policy as a span `chat MODEL`: it stands around the events, passes them on untouched, and ends
 * with them.
 */
import {
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type TextMapSetter,
  type Tracer,
} from '@opentelemetry/api';

import { GyreError } from '../core/errors.js';
import type { Message } from '../core/message.js';
import type { Action, Policy, PolicyEvent, PolicyRequest } from '../core/policy.js';
import type { Redactor } from '../core/text/redact.js';
import { present, type PlainAttributes } from './attributes.js';
import type { CapturedContent } from './content.js';
import type { Instruments } from './instruments.js';

export interface SpanDeps {
  readonly tracer: Tracer;
  readonly instruments: Instruments;
  /** The engine's kind, `gen_ai.provider.name` of requests to the policy. */
  readonly provider: string;
  /** Absent where there is nothing to redact. */
  readonly redactor: Redactor | undefined;
  /** Absent where content must not be exported. */
  readonly content: CapturedContent | undefined;
}

type Sampling = AsyncGenerator<PolicyEvent, readonly Action[]>;

/** What the spans of one answer to a client have in common. */
export interface AnswerContext {
  readonly context: Context;
  /** Attributes of every request to the policy, on its span and on its metrics. */
  readonly about: PlainAttributes & { readonly 'gen_ai.request.model': string };
  /** Attributes of spans only: as labels of metrics there would be too many of them. */
  readonly ids: PlainAttributes;
  /** Milliseconds since 1970, on a clock that is never set back. */
  readonly now: () => number;
  readonly began: (span: ChatSpan) => void;
}

const SETTER: TextMapSetter<Record<string, string>> = { set: (carrier, key, value) => (carrier[key] = value) };

export class ChatSpan {
  readonly #deps: SpanDeps;
  readonly #answer: AnswerContext;
  readonly #span: Span;
  readonly #began: number;
  readonly #text: { readonly input: boolean; readonly output: boolean };
  /** Headers by which the engine's own spans become children of this one. */
  readonly headers: Readonly<Record<string, string>>;
  /** When it ended. */
  ended: number | undefined;
  /** Milliseconds this call's tokens took after the first, and how many they were. */
  readonly pace = { ms: 0, tokens: 0 };

  constructor(deps: SpanDeps, answer: AnswerContext, request: PolicyRequest) {
    this.#deps = deps;
    this.#answer = answer;
    this.#began = answer.now();
    this.#text = { input: request.messages.every(isText), output: asksForText(request) };
    this.#span = deps.tracer.startSpan(
      `chat ${answer.about['gen_ai.request.model']}`,
      {
        kind: SpanKind.CLIENT,
        startTime: this.#began,
        attributes: present({ ...answer.about, ...answer.ids, ...requestAttributes(request, deps.redactor) }),
      },
      answer.context,
    );
    if (deps.content !== undefined && this.#span.isRecording())
      this.#span.setAttributes(present(deps.content.ofRequest(request)));
    const headers: Record<string, string> = {};
    // A client's baggage is between it and this gateway.
    propagation.inject(propagation.deleteBaggage(trace.setSpan(answer.context, this.#span)), headers, SETTER);
    this.headers = headers;
    answer.began(this);
  }

  done(actions: readonly Action[]): void {
    const usage = (of: (action: Action) => number): number => actions.reduce((sum, action) => sum + of(action), 0);
    const [first] = actions;
    const { redactor, content } = this.#deps;
    const engineId = first?.engineId;
    const output = usage((action) => action.usage.completion_tokens);
    const firstToken = first?.timings.firstTokenMs;
    if (first !== undefined && firstToken !== undefined && output > 1)
      Object.assign(this.pace, { ms: first.timings.totalMs - firstToken, tokens: output - 1 });
    this.#span.setAttributes(
      present({
        'gen_ai.response.finish_reasons': actions.map((action) => action.finishReason),
        // An upstream may say anything.
        'gen_ai.response.id': engineId && (redactor?.text(engineId) ?? engineId),
        'gen_ai.response.time_to_first_chunk': firstToken === undefined ? undefined : firstToken / 1000,
        'gen_ai.usage.input_tokens': usage((action) => action.usage.prompt_tokens),
        'gen_ai.usage.output_tokens': output,
        'gen_ai.usage.cache_read.input_tokens': usage((action) => action.usage.cached_tokens) || undefined,
        'gen_ai.usage.reasoning.output_tokens': usage((action) => action.usage.reasoning_tokens) || undefined,
      }),
    );
    if (content !== undefined && this.#span.isRecording()) this.#span.setAttributes(present(content.ofAnswer(actions)));
    this.#end(actions, undefined);
  }

  /** `code` is one of our errors' codes; their messages may quote the conversation and stay here. */
  failed(code: string): void {
    if (this.ended !== undefined) return;
    this.#span.setAttributes(present({ 'error.type': code, 'gen_ai.response.finish_reasons': ['error'] }));
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#end([], code);
  }

  #end(actions: readonly Action[], error: string | undefined): void {
    const ended = this.#answer.now();
    this.ended = ended;
    this.#span.end(ended);
    this.#deps.instruments.policyCall({
      about: this.#answer.about,
      seconds: (ended - this.#began) / 1000,
      actions,
      error,
      text: this.#text,
    });
  }
}

/** `policy` with a span around every request to it. */
export function withSpans(policy: Policy, begin: (request: PolicyRequest) => ChatSpan): Policy {
  return {
    sample(request, signal) {
      const span = begin(request);
      let sampling: Sampling;
      try {
        sampling = policy.sample({ ...request, trace: span.headers }, signal);
      } catch (thrown) {
        span.failed(codeOf(thrown));
        throw thrown;
      }
      const passing: Sampling = {
        async next() {
          try {
            const next = await sampling.next();
            if (next.done === true) span.done(next.value);
            return next;
          } catch (thrown) {
            span.failed(codeOf(thrown));
            throw thrown;
          }
        },
        return(actions) {
          span.failed('cancelled');
          return sampling.return(actions);
        },
        throw(thrown: unknown) {
          span.failed('cancelled');
          return sampling.throw(thrown);
        },
        [Symbol.asyncIterator]: () => passing,
      };
      return passing;
    },
  };
}

function isText({ content }: Message): boolean {
  return content === null || typeof content === 'string' || content.every((part) => part.type === 'text');
}

/** What an upstream answers in may be asked for. */
function asksForText({ forwarded }: PolicyRequest): boolean {
  return forwarded?.['modalities'] === undefined && forwarded?.['audio'] === undefined;
}

function codeOf(thrown: unknown): string {
  return thrown instanceof GyreError ? thrown.code : 'internal_error';
}

function requestAttributes(request: PolicyRequest, redactor: Redactor | undefined): PlainAttributes {
  const { n, forwarded } = request;
  const sampling = redactor?.sampling(request.sampling) ?? request.sampling;
  const format = (forwarded?.['response_format'] as { readonly type?: unknown } | undefined)?.type;
  return {
    'gen_ai.request.stream': true,
    'gen_ai.request.temperature': sampling.temperature,
    'gen_ai.request.top_p': sampling.top_p,
    'gen_ai.request.top_k': sampling.top_k,
    'gen_ai.request.max_tokens': sampling.max_tokens,
    'gen_ai.request.seed': sampling.seed,
    'gen_ai.request.frequency_penalty': sampling.frequency_penalty,
    'gen_ai.request.presence_penalty': sampling.presence_penalty,
    'gen_ai.request.choice.count': n === 1 ? undefined : n,
    'gen_ai.output.type': format === undefined ? undefined : format === 'text' ? 'text' : 'json',
  };
}
