/**
 * A request as spans: the server's `POST ROUTE`, in it `invoke_agent gyre` for the run, in that a `chat MODEL`
 * for every request to the policy and an `execute_tool NAME` for every call of ours, in the order they happened.
 */
import {
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type TextMapGetter,
} from '@opentelemetry/api';

import type { GyreError } from '../core/errors.js';
import type { ToolCall } from '../core/message.js';
import type { Arrival, Delivered, Observer, Accepted, Watch } from '../core/observe.js';
import type { Policy } from '../core/policy.js';
import type { Redactor } from '../core/text/redact.js';
import { versionOf } from '../core/serving.js';
import type { Observation } from '../core/tool.js';
import type { Ending } from '../core/trajectory.js';
import { present, type PlainAttributes } from './attributes.js';
import { providerAt } from './provider.js';
import { type AnswerContext, ChatSpan, type SpanDeps, withSpans } from './chat_span.js';

export function tracing(deps: SpanDeps): Observer {
  return { arrived: (arrival, route) => new RequestSpans(deps, arrival, route) };
}

/** This gateway's own `gen_ai.provider.name`, and its name as an agent. */
const GATEWAY = 'gyre';
/** What a run is. Whose the model is stands on the requests to it. */
const AGENT = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': GATEWAY } as const;
/** Instead of the name of a tool that is not there: the policy made it up, and may have put anything into it. */
const UNKNOWN_TOOL = '_OTHER';

class RequestSpans implements Watch {
  readonly #deps: SpanDeps;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #server: Span;
  readonly #context: Context;
  #agent: Span | undefined;
  #answer: AnswerContext | undefined;
  readonly #chats: ChatSpan[] = [];
  #tools = 0;
  #accepted = 0;
  #end:
    | { readonly ending: Ending; readonly fault: GyreError | undefined; readonly firstToken: number | undefined }
    | undefined;

  constructor(deps: SpanDeps, arrival: Arrival, route: string) {
    this.#deps = deps;
    // The wall clock may be set back in the middle of a request; spans must not end before they began.
    const offset = arrival.startedAt - performance.now();
    this.#now = () => offset + performance.now();
    this.#startedAt = arrival.startedAt;
    const parent = propagation.extract(ROOT_CONTEXT, arrival, headersOf(deps.redactor));
    this.#server = deps.tracer.startSpan(
      `POST ${route}`,
      {
        kind: SpanKind.SERVER,
        startTime: arrival.startedAt,
        attributes: present({
          'http.request.method': 'POST',
          'http.route': route,
          'url.path': route,
          'url.scheme': 'http',
          'gyre.request.id': this.#redacted(arrival.requestId),
        }),
      },
      parent,
    );
    this.#context = trace.setSpan(parent, this.#server);
  }

  accepted({ model, engineModel, source, trajectoryId, responseId, stream }: Accepted): void {
    const ids: PlainAttributes = { 'gen_ai.conversation.id': trajectoryId, 'gyre.policy.version': versionOf(source) };
    const models = { 'gen_ai.request.model': model, 'gen_ai.response.model': engineModel };
    this.#accepted = this.#now();
    const agent = this.#deps.tracer.startSpan(
      `invoke_agent ${GATEWAY}`,
      {
        kind: SpanKind.INTERNAL,
        startTime: this.#accepted,
        attributes: present({
          ...AGENT,
          ...models,
          ...ids,
          'gen_ai.request.stream': stream || undefined,
          'gen_ai.response.id': responseId,
        }),
      },
      this.#context,
    );
    this.#agent = agent;
    this.#answer = {
      context: trace.setSpan(this.#context, agent),
      about: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': source.kind === 'policy' ? this.#deps.provider : providerAt(source.host),
        ...models,
      },
      ids,
      now: this.#now,
      began: (span) => this.#chats.push(span),
    };
  }

  policy(policy: Policy): Policy {
    const answer = this.#answer;
    return answer === undefined ? policy : withSpans(policy, (request) => new ChatSpan(this.#deps, answer, request));
  }

  tool(call: ToolCall, observation: Observation): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    const { content, instruments } = this.#deps;
    const { error, ms } = observation;
    this.#tools += 1;
    const name = error === 'unknown_tool' ? UNKNOWN_TOOL : this.#redacted(call.name);
    const about: PlainAttributes = {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': name,
      'gen_ai.tool.type': 'function',
      'error.type': error,
    };
    // All calls of a step start together, when its action is whole; they are told of in order, so some only after they
    // have ended.
    const startTime = this.#chats.at(-1)?.ended ?? this.#now() - ms;
    const span = this.#deps.tracer.startSpan(
      `execute_tool ${name}`,
      {
        kind: SpanKind.INTERNAL,
        startTime,
        attributes: present({ ...about, ...answer.ids, 'gen_ai.tool.call.id': this.#redacted(call.id) }),
      },
      answer.context,
    );
    if (content !== undefined && span.isRecording()) span.setAttributes(present(content.ofTool(call, observation)));
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(startTime + ms);
    instruments.toolCall(about, ms / 1000);
  }

  ended(ending: Ending, fault: GyreError | undefined, firstToken: number | undefined): void {
    this.#end = { ending, fault, firstToken };
    // A run that was left in the middle gets no further event, so its open chat span is ended here.
    this.#chats.at(-1)?.failed('cancelled');
    const { usage } = ending;
    this.#agent?.setAttributes(
      present({
        'gyre.outcome': ending.outcome,
        'gyre.stop_reason': ending.stopReason,
        'error.type': fault?.code,
        'gen_ai.usage.input_tokens': usage.prompt_tokens,
        'gen_ai.usage.output_tokens': usage.completion_tokens,
        'gen_ai.usage.reasoning.output_tokens': usage.reasoning_tokens || undefined,
      }),
    );
    if (fault !== undefined) this.#agent?.setStatus({ code: SpanStatusCode.ERROR });
    const now = this.#now();
    this.#agent?.end(now);
    if (this.#agent !== undefined)
      this.#deps.instruments.run({
        about: { ...AGENT, 'gen_ai.request.model': this.#answer?.about['gen_ai.request.model'] },
        seconds: (now - this.#accepted) / 1000,
        error: fault?.code,
        policyCalls: this.#chats.length,
        toolCalls: this.#tools,
      });
  }

  closed(status: number | undefined, delivered: Delivered): void {
    const fault = this.#end?.fault;
    // By the conventions for HTTP a client's own mistake is no error of the server's span.
    const error = fault?.code ?? (status !== undefined && status >= 500 ? String(status) : undefined);
    this.#server.setAttributes(
      present({ 'http.response.status_code': status, 'gyre.delivery': delivered, 'error.type': error }),
    );
    if (error !== undefined) this.#server.setStatus({ code: SpanStatusCode.ERROR });
    const now = this.#now();
    this.#server.end(now);
    const whole = this.#end?.ending.outcome === 'completed' || this.#end?.ending.outcome === 'incomplete';
    const pace = this.#chats.reduce(
      (sum, chat) => ({ ms: sum.ms + chat.pace.ms, tokens: sum.tokens + chat.pace.tokens }),
      { ms: 0, tokens: 0 },
    );
    this.#deps.instruments.clientRequest({
      about: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': GATEWAY,
        'gen_ai.request.model': this.#answer?.about['gen_ai.request.model'],
        'gen_ai.response.model': this.#answer?.about['gen_ai.response.model'],
      },
      seconds: (now - this.#startedAt) / 1000,
      error: error ?? (status !== undefined && status >= 400 ? String(status) : undefined),
      firstToken: whole ? this.#end?.firstToken : undefined,
      perToken: whole && pace.tokens > 0 ? pace.ms / 1000 / pace.tokens : undefined,
    });
  }

  #redacted(text: string): string {
    return this.#deps.redactor?.text(text) ?? text;
  }
}

/** A client's `tracestate` is exported with every span of its trace, so one that matches a pattern is dropped. */
function headersOf(redactor: Redactor | undefined): TextMapGetter<Arrival> {
  return {
    get(arrival, name) {
      const value = arrival.header(name.toLowerCase());
      if (value === undefined || name.toLowerCase() !== 'tracestate') return value;
      return redactor === undefined || redactor.text(value) === value ? value : undefined;
    },
    keys: () => [],
  };
}
