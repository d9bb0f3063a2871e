/**
 * The answer as a stream of chunks: one id, the role once, one finish reason at the true end, `[DONE]`
 * once and never after an error. Progress is comments, because clients take any named event for a
 * chunk. What waits for a slow reader is bounded, and a reader that stops is given up.
 */
import type { ServerResponse } from 'node:http';

import type { PolicyEvent } from '../core/policy.js';
import type { Finish, LoopEvent } from '../loop/events.js';
import type { Delivery } from './answer.js';
import { fingerprint, limitOf, wireLogprobs, wireUsage, type CompletionHead } from './completion.js';
import type { Exchange } from './exchange.js';
import { envelope } from './failure.js';

export interface StreamOptions {
  readonly includeUsage: boolean;
  /** Named events about tools, for clients that asked for them. */
  readonly toolEvents: boolean;
  /** Silence after which a comment keeps the connection open, milliseconds. */
  readonly keepaliveMs: number;
  /** How long a reader may take nothing before it is given up, milliseconds. */
  readonly slowReaderMs: number;
}

const STREAM_HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };

export class StreamedAnswer implements Delivery {
  readonly #exchange: Exchange;
  readonly #outgoing: ServerResponse;
  readonly #head: CompletionHead;
  readonly #options: StreamOptions;
  /** Every chunk is `#before` + its choices + `#after`: most chunks are never built as objects. */
  readonly #before: string;
  readonly #after: string;
  readonly #roles = new Set<number>();
  readonly #keepalive: NodeJS.Timeout;
  #pending = '';
  #scheduled = false;
  #over = false;
  #chunked = false;

  constructor(exchange: Exchange, head: CompletionHead, options: StreamOptions) {
    this.#exchange = exchange;
    this.#outgoing = exchange.outgoing;
    this.#head = head;
    this.#options = options;
    const { id, created, model } = head;
    const common = JSON.stringify({ id, object: 'chat.completion.chunk', created, model, system_fingerprint: fingerprint(head) });
    this.#before = `data: ${common.slice(0, -1)},"choices":[`;
    this.#after = options.includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
    this.#keepalive = setTimeout(() => this.#ping(), options.keepaliveMs);
  }

  event(event: LoopEvent): Promise<void> | undefined {
    switch (event.type) {
      case 'start':
        this.#start(event);
        break;
      case 'text':
        this.#text(event);
        break;
      case 'reasoning': {
        const text = JSON.stringify(event.text);
        this.#delta(event.index, `"reasoning":${text},"reasoning_content":${text}`);
        break;
      }
      case 'call':
        this.#delta(event.index, `"tool_calls":[{"index":${event.position},"id":${JSON.stringify(event.id)},"type":"function","function":{"name":${JSON.stringify(event.name)},"arguments":""}}]`);
        break;
      case 'arguments':
        this.#delta(event.index, `"tool_calls":[{"index":${event.position},"function":{"arguments":${JSON.stringify(event.text)}}}]`);
        break;
      case 'tool_started':
        this.#progress('gyre.tool.started', { id: event.call.id, name: event.call.name, arguments: event.call.arguments }, event.call.name);
        break;
      case 'tool_finished':
        this.#progress('gyre.tool.finished', { id: event.call.id, name: event.call.name, error: event.observation.error ?? null, ms: Math.round(event.observation.ms) }, event.call.name);
        break;
      case 'step':
        break;
      default:
        event satisfies never;
    }
    return this.#outgoing.writableNeedDrain ? this.#drained() : undefined;
  }

  finish(finish: Finish): void {
    this.#over = true;
    clearTimeout(this.#keepalive);
    if (this.#outgoing.destroyed) return;
    if (finish.fault !== undefined) {
      if (this.#outgoing.headersSent || this.#pending !== '') this.#end(`data: ${envelope(finish.fault)}\n\n`);
      else this.#exchange.fail(finish.fault, this.#head.headers, finish.ending.toolUse.executed > 0);
      return;
    }
    if (finish.ending.outcome === 'cancelled') return;
    const limit = limitOf(finish.ending);
    const after = limit === undefined ? this.#after : `],"gyre":${JSON.stringify(limit)}${this.#after.slice(1)}`;
    let last = '';
    finish.finishReasons.forEach((reason, index) => {
      if (!this.#roles.has(index)) last += this.#role(index);
      last += `${this.#before}{"index":${index},"delta":{},"logprobs":null,"finish_reason":"${reason}"}${after}`;
    });
    if (this.#options.includeUsage) last += `${this.#before}],"usage":${JSON.stringify(wireUsage(finish.ending))}}\n\n`;
    this.#end(`${last}data: [DONE]\n\n`);
  }

  #start(event: Extract<PolicyEvent, { type: 'start' }>): void {
    const ids = this.#head.tokenIds && event.promptTokenIds !== undefined ? `],"prompt_token_ids":${JSON.stringify(event.promptTokenIds)}${this.#after.slice(1)}` : undefined;
    this.#write(this.#role(0, ids));
  }

  #text(event: Extract<PolicyEvent, { type: 'text' }>): void {
    const ids = this.#head.tokenIds && event.tokenIds !== undefined ? `,"token_ids":${JSON.stringify(event.tokenIds)}` : '';
    const logprobs = this.#head.logprobs && event.logprobs !== undefined ? JSON.stringify(wireLogprobs(event.logprobs)) : 'null';
    if (event.text === '' && ids === '' && logprobs === 'null') return;
    this.#delta(event.index, `"content":${JSON.stringify(event.text)}`, logprobs, ids);
  }

  #delta(index: number, delta: string, logprobs = 'null', ids = ''): void {
    const role = this.#roles.has(index) ? '' : this.#role(index);
    this.#write(`${role}${this.#before}{"index":${index},"delta":{${delta}},"logprobs":${logprobs},"finish_reason":null${ids}}${this.#after}`);
  }

  #role(index: number, after: string = this.#after): string {
    this.#roles.add(index);
    return `${this.#before}{"index":${index},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}${after}`;
  }

  #progress(name: string, data: Record<string, unknown>, tool: string): void {
    this.#write(this.#options.toolEvents ? `event: ${name}\ndata: ${JSON.stringify(data)}\n\n` : `: ${name} ${tool.replace(/\s/g, ' ')}\n\n`);
  }

  #ping(): void {
    if (this.#over || this.#outgoing.destroyed) return;
    if (!this.#outgoing.writableNeedDrain) this.#write(': ping\n\n'); // who does not read needs no sign of life
    this.#keepalive.refresh();
  }

  /** Everything that becomes known in one turn of the event loop leaves in one packet. */
  #write(frames: string): void {
    this.#pending += frames;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#pending === '' || this.#outgoing.destroyed || this.#outgoing.writableEnded) return;
    const frames = this.#pending;
    this.#pending = '';
    this.#open();
    this.#outgoing.write(this.#chunk(frames));
    this.#keepalive.refresh();
  }

  #end(frames: string): void {
    const last = this.#pending + frames;
    this.#pending = '';
    this.#open();
    this.#outgoing.end(this.#chunked ? `${this.#chunk(last)}0\r\n\r\n` : last);
    this.#giveUpIfUnread();
  }

  /** Node writes a chunk in four pieces, which costs more than all that goes before it here: we frame it ourselves, in one. */
  #open(): void {
    const outgoing = this.#outgoing;
    if (outgoing.headersSent) return;
    this.#chunked = this.#exchange.incoming.httpVersion === '1.1';
    outgoing.writeHead(200, { ...STREAM_HEADERS, ...this.#head.headers, 'x-request-id': this.#exchange.requestId, ...(this.#chunked ? { 'transfer-encoding': 'chunked' } : {}) });
    if (this.#chunked) outgoing.chunkedEncoding = false;
  }

  #chunk(frames: string): string {
    return this.#chunked ? `${Buffer.byteLength(frames).toString(16)}\r\n${frames}\r\n` : frames;
  }

  /** Resolves when the reader has caught up, or is gone: then the exchange's signal has fired. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const outgoing = this.#outgoing;
      const done = (): void => {
        clearTimeout(deadline);
        outgoing.off('drain', done);
        outgoing.off('close', done);
        resolve();
      };
      const deadline = setTimeout(() => outgoing.destroy(), this.#options.slowReaderMs);
      outgoing.on('drain', done);
      outgoing.on('close', done);
    });
  }

  /** The last frames of a reader that stopped would otherwise hold their socket for ever. */
  #giveUpIfUnread(): void {
    const outgoing = this.#outgoing;
    if (outgoing.writableLength === 0) return;
    const deadline = setTimeout(() => outgoing.destroy(), this.#options.slowReaderMs);
    outgoing.once('close', () => clearTimeout(deadline));
    outgoing.once('finish', () => clearTimeout(deadline));
  }
}
