/**
 * The answer as a stream of chunks: one id, the role once, one finish reason at the true end, `[DONE]`
 * once and never after an error. Progress of tools is sent as comments, because clients parse
 * every named event as a chunk.
 */
import type { PolicyEvent } from '../../core/policy.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import { extraContent, fingerprint, moreFields, wireLogprobs, wireReasoning, wireUsage } from './completion.js';
import { CustomTexts } from './custom_texts.js';
import { RunningUsage } from './running_usage.js';
import { type AnswerHead, type AnswerSettings, type Delivery, limitOf } from '../protocol/face.js';
import type { Exchange } from '../wire/exchange.js';
import { OPENAI } from '../wire/failure.js';
import { EventStream, type Pace } from '../wire/stream.js';

export interface StreamOptions extends Pace, Pick<AnswerSettings, 'reasoningFields'> {
  readonly includeUsage: boolean;
  /** Usage so far on every chunk, as vLLM's `continuous_usage_stats` has it. */
  readonly runningUsage: boolean;
  /** Named events about tools, for clients that asked for them. */
  readonly toolEvents: boolean;
  /** Names of custom tools. */
  readonly custom?: ReadonlySet<string> | undefined;
}

export class StreamedAnswer implements Delivery {
  readonly #exchange: Exchange;
  readonly #stream: EventStream;
  readonly #head: AnswerHead;
  readonly #options: StreamOptions;
  /** Every chunk is `#before` + its choices + `#after`: most chunks are never built as objects. */
  readonly #before: string;
  readonly #after: string;
  readonly #usage: RunningUsage | undefined;
  readonly #roles = new Set<number>();
  readonly #texts = new CustomTexts();

  constructor(exchange: Exchange, head: AnswerHead, options: StreamOptions) {
    this.#exchange = exchange;
    this.#stream = new EventStream(exchange, head.headers, options);
    this.#head = head;
    this.#options = options;
    const { id, created, model } = head;
    const common = JSON.stringify({ id, object: 'chat.completion.chunk', created, model });
    this.#before = `data: ${common.slice(0, -1)},"system_fingerprint":${fingerprint(head)},"choices":[`;
    this.#after = options.includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
    this.#usage = options.runningUsage ? new RunningUsage() : undefined;
  }

  event(event: LoopEvent): Promise<void> | undefined {
    this.#usage?.saw(event);
    switch (event.type) {
      case 'start':
        this.#start(event);
        break;
      case 'text':
        this.#text(event);
        break;
      case 'reasoning':
        this.#delta(event.index, wireReasoning(event.text, this.#options));
        break;
      case 'beside':
        this.#delta(event.index, moreFields(event.fields).slice(1));
        break;
      case 'call': {
        const custom = this.#options.custom?.has(event.name) === true;
        if (custom) this.#texts.begin(event);
        const [type, field] = custom ? ['custom', 'input'] : ['function', 'arguments'];
        this.#delta(
          event.index,
          `"tool_calls":[{"index":${event.position},"id":${JSON.stringify(event.id)},"type":"${type}",` +
            `"${type}":{"name":${JSON.stringify(event.name)},"${field}":""}` +
            `${extraContent(event.own)}}]`,
        );
        break;
      }
      case 'arguments': {
        const text = this.#texts.add(event);
        if (text === undefined)
          this.#delta(
            event.index,
            `"tool_calls":[{"index":${event.position},"function":{"arguments":${JSON.stringify(event.text)}}}]`,
          );
        else this.#customDelta(event.index, event.position, text);
        break;
      }
      case 'tool_started':
        this.#progress(
          'gyre.tool.started',
          { id: event.call.id, name: event.call.name, arguments: event.call.arguments },
          event.call.name,
        );
        break;
      case 'tool_finished':
        this.#progress(
          'gyre.tool.finished',
          {
            id: event.call.id,
            name: event.call.name,
            error: event.observation.error ?? null,
            ms: Math.round(event.observation.ms),
          },
          event.call.name,
        );
        break;
      case 'step':
        break;
      default:
        event satisfies never;
    }
    return this.#stream.full;
  }

  finish(finish: Finish): void {
    this.#stream.stop();
    if (this.#stream.gone) return;
    if (finish.fault !== undefined) {
      if (this.#stream.begun) this.#stream.end(`data: ${OPENAI.envelope(finish.fault, this.#exchange.requestId)}\n\n`);
      else this.#exchange.fail(finish.fault, this.#head.headers, finish.ending.toolUse.executed > 0);
      return;
    }
    if (finish.ending.outcome === 'cancelled') return;
    for (const { index, position, rest } of this.#texts.end()) this.#customDelta(index, position, rest);
    const limit = limitOf(finish.ending);
    const end = this.#usage === undefined ? this.#after : `],"usage":${wireUsage(finish.ending)}}\n\n`;
    const after = limit === undefined ? end : `],"gyre":${JSON.stringify(limit)}${end.slice(1)}`;
    let last = '';
    finish.finishReasons.forEach((reason, index) => {
      if (!this.#roles.has(index)) last += this.#role(index);
      last += `${this.#before}{"index":${index},"delta":{},"logprobs":null,"finish_reason":"${reason}"}${after}`;
    });
    if (this.#options.includeUsage) last += `${this.#before}],"usage":${wireUsage(finish.ending)}}\n\n`;
    this.#stream.end(`${last}data: [DONE]\n\n`);
  }

  #start(event: Extract<PolicyEvent, { type: 'start' }>): void {
    const ids =
      this.#head.tokenIds && event.promptTokenIds !== undefined
        ? `],"prompt_token_ids":${JSON.stringify(event.promptTokenIds)}${this.#tail().slice(1)}`
        : undefined;
    this.#stream.write(this.#role(0, ids));
  }

  #text(event: Extract<PolicyEvent, { type: 'text' }>): void {
    const ids =
      this.#head.tokenIds && event.tokenIds !== undefined ? `,"token_ids":${JSON.stringify(event.tokenIds)}` : '';
    const logprobs =
      this.#head.logprobs && event.logprobs !== undefined ? JSON.stringify(wireLogprobs(event.logprobs)) : 'null';
    if (event.text === '' && ids === '' && logprobs === 'null') return;
    const name = event.refusal === true ? 'refusal' : 'content';
    this.#delta(event.index, `"${name}":${JSON.stringify(event.text)}`, logprobs, ids);
  }

  #customDelta(index: number, position: number, text: string): void {
    if (text !== '')
      this.#delta(index, `"tool_calls":[{"index":${position},"custom":{"input":${JSON.stringify(text)}}}]`);
  }

  #delta(index: number, delta: string, logprobs = 'null', ids = ''): void {
    const role = this.#roles.has(index) ? '' : this.#role(index);
    this.#stream.write(
      `${role}${this.#before}{"index":${index},"delta":{${delta}},"logprobs":${logprobs},` +
        `"finish_reason":null${ids}}${this.#tail()}`,
    );
  }

  #tail(): string {
    return this.#usage === undefined ? this.#after : `],"usage":${this.#usage.wire()}}\n\n`;
  }

  #role(index: number, after: string = this.#tail()): string {
    this.#roles.add(index);
    return (
      `${this.#before}{"index":${index},"delta":{"role":"assistant","content":""},` +
      `"logprobs":null,"finish_reason":null}${after}`
    );
  }

  #progress(name: string, data: Record<string, unknown>, tool: string): void {
    this.#stream.write(
      this.#options.toolEvents
        ? `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
        : `: ${name} ${tool.replace(/\s/g, ' ')}\n\n`,
    );
  }
}
