/**
 * HTTP to a tool server, under the transport of the MCP SDK (MCP specification, "Streamable HTTP"). The SDK does not
 * bound the size of a message, leaves a call waiting for ever when its stream ends without an answer, keeps the
 * connection of a cancelled call open, and rounds long integers: all four are mended here.
 */
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ErrorCode, type JSONRPCMessage, type RequestId } from '@modelcontextprotocol/sdk/types.js';
import { markedJson, unmarked } from '../../src/core/text/json.js';
import { fetch as send, type Dispatcher, type RequestInit as SendInit } from 'undici';

export interface WireOptions {
  readonly dispatcher: Dispatcher;
  /** Bytes one message of the server may have. */
  readonly maxBytes: number;
  /** Called for a request that will get no answer, with an error as if the server had answered it. */
  readonly lost: (answer: JSONRPCMessage) => void;
}

/** How long the transport may take to deliver the last message of a stream that has ended. */
const DELIVERY_MS = 100;
const CANCEL_MS = 2_000;

export class HttpWire {
  readonly #options: WireOptions;
  /** Requests that wait for their answer. */
  readonly #open = new Map<RequestId, AbortController>();

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** To be called with every message from the server: a request that it answers waits no more. */
  received(message: JSONRPCMessage): void {
    if (!('method' in message) && message.id !== undefined) this.#open.delete(message.id);
  }

  readonly fetch: FetchLike = async (url, init) => {
    const posted = postedIn(init);
    if (posted?.cancels !== undefined) {
      // The server is sent the cancellation first; then the connection of the call is closed.
      const cancelled = posted.cancels;
      return this.#send(url, init, AbortSignal.timeout(CANCEL_MS), undefined).finally(() => {
        this.#open.get(cancelled)?.abort();
        this.#open.delete(cancelled);
      });
    }
    if (posted?.id === undefined) return this.#send(url, init, undefined, undefined);
    const stopping = new AbortController();
    this.#open.set(posted.id, stopping);
    try {
      return await this.#send(url, init, stopping.signal, posted.id);
    } catch (thrown) {
      this.#open.delete(posted.id);
      throw thrown;
    }
  };

  async #send(
    url: string | URL,
    init: RequestInit | undefined,
    stop: AbortSignal | undefined,
    id: RequestId | undefined,
  ): Promise<Response> {
    // The transport's own signal fires when it is closed, and then the dispatcher is destroyed anyway.
    const response = (await send(url, {
      ...init,
      ...(typeof init?.body === 'string' ? { body: unmarked(init.body) } : {}),
      dispatcher: this.#options.dispatcher,
      signal: stop,
    } as SendInit)) as unknown as Response;
    if (response.body === null) {
      if (id !== undefined) this.#open.delete(id);
      return response;
    }
    const stream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const body = this.#bounded(response.body, stream, stop, id).pipeThrough(exactIntegers(stream));
    return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
  }

  /** The same bytes, as long as no message has too many. `id` is the request they answer, if they answer one. */
  #bounded(
    body: ReadableStream<Uint8Array>,
    stream: boolean,
    stop: AbortSignal | undefined,
    id: RequestId | undefined,
  ): ReadableStream<Uint8Array> {
    const { maxBytes } = this.#options;
    const reader = body.getReader();
    const message = stream ? new EventSize() : new WholeSize();
    const ended = (reason: string): void => {
      // The transport resumes a stream whose events have ids; without a stream it sees by itself that no answer came.
      if (id === undefined || message.resumable) return;
      setTimeout(() => (stream ? this.#unanswered(id, reason) : void this.#open.delete(id)), DELIVERY_MS).unref();
    };
    return new ReadableStream({
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            ended('the server ended the stream without an answer');
            return controller.close();
          }
          if (message.add(value) > maxBytes) throw new Error(`the server's answer has more than ${maxBytes} bytes`);
          controller.enqueue(value);
        } catch (thrown) {
          if (stop?.aborted === true) return controller.close();
          ended(thrown instanceof Error ? thrown.message : String(thrown));
          controller.error(thrown);
          await reader.cancel().catch(() => undefined);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
  }

  #unanswered(id: RequestId, reason: string): void {
    if (!this.#open.delete(id)) return;
    this.#options.lost({ jsonrpc: '2.0', id, error: { code: ErrorCode.ConnectionClosed, message: reason } });
  }
}

/**
 * The body as the transport may parse it, with JSON.parse, and lose no digit of a long integer: of a stream line by
 * line, as a line has whole tokens, and else as the one message it is.
 */
function exactIntegers(stream: boolean): TransformStream<Uint8Array, Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  const marked = (text: string): string =>
    stream ? text.replace(/^data:.*$/gm, (line) => `data:${markedJson(line.slice('data:'.length))}`) : markedJson(text);
  return new TransformStream({
    transform(chunk, controller) {
      held = Buffer.concat([held, chunk]);
      const whole = stream ? Math.max(held.lastIndexOf('\n'), held.lastIndexOf('\r')) + 1 : 0;
      if (whole === 0) return;
      controller.enqueue(Buffer.from(marked(held.toString('utf8', 0, whole))));
      held = held.subarray(whole);
    },
    flush(controller) {
      if (held.length > 0) controller.enqueue(Buffer.from(marked(held.toString())));
    },
  });
}

/** A body that is one message. */
class WholeSize {
  readonly resumable = false;
  #bytes = 0;

  add(chunk: Uint8Array): number {
    return (this.#bytes += chunk.byteLength);
  }
}

/** A body of many messages: events with an empty line between them. */
class EventSize {
  resumable = false;
  #bytes = 0;
  /** The end of the chunk before, where an empty line or a field's name may have been cut. */
  #tail = '\n';

  add(chunk: Uint8Array): number {
    const text = this.#tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    if (!this.resumable && /[\r\n]id:/.test(text)) this.resumable = true;
    const gap = Math.max(text.lastIndexOf('\n\n'), text.lastIndexOf('\r\r'), text.lastIndexOf('\r\n\r\n'));
    this.#bytes = gap === -1 ? this.#bytes + chunk.byteLength : text.length - gap;
    this.#tail = text.slice(-3);
    return this.#bytes;
  }
}

/** Of a POST of the transport: the id of its request, or of the one it cancels. */
function postedIn(
  init: RequestInit | undefined,
): { readonly id?: RequestId | undefined; readonly cancels?: RequestId | undefined } | undefined {
  if (init?.method !== 'POST' || typeof init.body !== 'string') return undefined;
  const message = JSON.parse(init.body) as {
    id?: RequestId | undefined;
    method?: string | undefined;
    params?: { requestId?: RequestId } | undefined;
  };
  if (message.method === 'notifications/cancelled')
    return message.params?.requestId === undefined ? {} : { cancels: message.params.requestId };
  return message.method === undefined || message.id === undefined ? {} : { id: message.id };
}
