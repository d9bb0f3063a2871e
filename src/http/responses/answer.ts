/** An answer of the Responses API on its way to its client: the fold's object, or its events as they happen. */
import { writeJson } from '../../core/text/json.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import { besideHeader } from '../protocol/beside.js';
import type { AnswerHead, Delivery } from '../protocol/face.js';
import type { Exchange } from '../wire/exchange.js';
import { EventStream, type Pace } from '../wire/stream.js';
import type { ResponseFields } from './fields.js';
import { type ResponseEvent, ResponseFold } from './fold.js';

export class ResponseAnswer implements Delivery {
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #stream: EventStream | undefined;
  readonly #fold: ResponseFold;

  constructor(exchange: Exchange, head: AnswerHead, fields: ResponseFields, pace: Pace) {
    this.#exchange = exchange;
    this.#head = head;
    const stream = fields.stream === true ? new EventStream(exchange, head.headers, pace) : undefined;
    this.#stream = stream;
    this.#fold = new ResponseFold(
      head,
      fields,
      stream === undefined ? undefined : (event) => stream.write(frameOf(event)),
    );
  }

  event(event: LoopEvent): Promise<void> | undefined {
    this.#fold.event(event);
    return this.#stream?.full;
  }

  finish(finish: Finish): void {
    this.#stream?.stop();
    if (this.#stream?.gone === true) return;
    const { fault, ending } = finish;
    if (fault !== undefined && this.#stream?.begun !== true)
      return this.#exchange.fail(fault, this.#head.headers, ending.toolUse.executed > 0);
    if (ending.outcome === 'cancelled') return;
    const response = this.#fold.end({ ending, fault, at: Math.floor(Date.now() / 1000) });
    if (this.#stream === undefined) {
      const headers = { ...this.#head.headers, ...besideHeader(this.#fold.leftOut) };
      this.#exchange.json(writeJson(response), headers);
    } else this.#stream.end('');
  }
}

/** An event as a frame of a stream. */
export function frameOf(event: ResponseEvent): string {
  return `event: ${event.type}\ndata: ${writeJson(event)}\n\n`;
}
