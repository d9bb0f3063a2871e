/** An answer of the Responses API as messages on a WebSocket: the events of a stream, one message each. */
import type { AssistantMessage } from '../../core/message.js';
import { writeJson } from '../../core/text/json.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import type { AnswerHead, Delivery } from '../protocol/face.js';
import type { SocketExchange } from '../wire/socket_exchange.js';
import type { ResponseFields } from '../responses/fields.js';
import { type ResponseEvent, ResponseFold } from '../responses/fold.js';

const LAST: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/**
 * Sends events as messages. A fault is told by the response that failed alone: a client takes an `error` for the end,
 * and what followed for a part of its next answer.
 */
export function messagesTo(
  exchange: SocketExchange,
  envelope: Readonly<Record<string, unknown>>,
): (event: ResponseEvent) => void {
  let skipped = 0;
  return (event) => {
    if (event.type === 'error') {
      skipped += 1;
      return;
    }
    const text = writeJson({ ...event, sequence_number: event.sequence_number - skipped, ...envelope });
    if (LAST.has(event.type)) exchange.json(text);
    else exchange.send(text);
  };
}

export class SocketAnswer implements Delivery {
  readonly #exchange: SocketExchange;
  readonly #head: AnswerHead;
  readonly #fold: ResponseFold;
  readonly #over: (answer: AssistantMessage | undefined) => void;
  #visible: AssistantMessage | undefined;

  /** `over` is told the answer as the client has it, or that there is none to go on from. */
  constructor(
    exchange: SocketExchange,
    head: AnswerHead,
    fields: ResponseFields,
    envelope: Readonly<Record<string, unknown>>,
    over: (answer: AssistantMessage | undefined) => void,
  ) {
    this.#exchange = exchange;
    this.#head = head;
    this.#fold = new ResponseFold(head, fields, messagesTo(exchange, envelope));
    this.#over = over;
  }

  event(event: LoopEvent): Promise<void> | undefined {
    if (event.type === 'step') this.#visible = event.visible;
    this.#fold.event(event);
    return this.#exchange.full;
  }

  finish(finish: Finish): void {
    const { fault, ending } = finish;
    this.#over(fault === undefined && ending.outcome !== 'cancelled' ? this.#visible : undefined);
    if (this.#exchange.gone || ending.outcome === 'cancelled') return;
    if (fault !== undefined && this.#exchange.status === undefined)
      return this.#exchange.fail(fault, this.#head.headers, ending.toolUse.executed > 0);
    this.#fold.end({ ending, fault, at: Math.floor(Date.now() / 1000) });
  }
}
