/**
 * An answer as the Messages API tells it: a list of blocks, whole or as events. Both are one fold. A stream
 * has one block after another, so a block waits until the one before it is whole, in whatever order the engine emits
 * them; the input of a call waits until it is whole JSON, unless its tool has `eager_input_streaming`.
 */
import { objectJson } from '../../core/text/arguments.js';
import { type Beside, NO_USAGE, type PolicyEvent } from '../../core/policy.js';
import type { Ending } from '../../core/trajectory.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import { besideHeader, besideText } from '../protocol/beside.js';
import { begun, type Block, deltaOf, type Source, sourceOf, wireBlock } from './block.js';
import type { MessageFields } from './fields.js';
import { type AnswerHead, type AnswerSettings, type Delivery, limitOf } from '../protocol/face.js';
import type { Seal } from '../protocol/seal.js';
import type { Exchange } from '../wire/exchange.js';
import { ANTHROPIC } from '../wire/failure.js';
import { EventStream, type Pace } from '../wire/stream.js';

export class MessageAnswer implements Delivery {
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #fields: MessageFields;
  readonly #stream: EventStream | undefined;
  readonly #seal: Seal;
  /** Whether reasoning is shown, and whether its words are. */
  readonly #thinks: boolean;
  readonly #thinksAloud: boolean;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #blocks: Block[] = [];
  /** By the number of the call in the whole response. */
  readonly #calls: Block[] = [];
  /** Blocks that nothing is added to any more: those of steps that are over. */
  #whole = 0;
  /** The block that is being streamed, and whether its start was sent. */
  #telling = 0;
  #opened = false;
  #begun = false;
  #stopSequence: string | undefined;
  /** Sources no text is there for yet, and those that are told. */
  readonly #sources: Source[] = [];
  readonly #cited = new Set<string>();
  readonly #leftOut = new Set<string>();
  /** Its server said so of what it said. */
  #refused = false;

  constructor(
    exchange: Exchange,
    head: AnswerHead,
    fields: MessageFields,
    settings: Pace & Pick<AnswerSettings, 'seal'>,
  ) {
    this.#exchange = exchange;
    this.#head = head;
    this.#fields = fields;
    this.#headers = { ...head.headers, 'request-id': exchange.requestId, ...versionOf(exchange) };
    this.#stream = fields.stream === true ? new EventStream(exchange, this.#headers, settings) : undefined;
    this.#seal = settings.seal;
    this.#thinks = fields.thinking !== undefined && fields.thinking.type !== 'disabled';
    this.#thinksAloud = fields.thinking?.display !== 'omitted';
  }

  event(event: LoopEvent): Promise<void> | undefined {
    if (!this.#begun && event.type !== 'step') this.#begin(event.type === 'start' ? event : undefined);
    switch (event.type) {
      case 'start':
        break;
      case 'reasoning':
        if (this.#thinks && event.text !== '') this.#thought(this.#thinksAloud ? event.text : '');
        break;
      case 'beside':
        this.#beside(event.fields);
        break;
      case 'text':
        if (event.text !== '') this.#text(event.text);
        this.#refused ||= event.refusal === true;
        break;
      case 'call': {
        const eager =
          this.#fields.tools?.some(
            (tool) => 'name' in tool && tool.name === event.name && tool.eager_input_streaming === true,
          ) ?? false;
        const block: Block = { type: 'tool_use', text: '', id: event.id, name: event.name, eager };
        this.#blocks.push(block);
        this.#calls[event.position] = block;
        break;
      }
      case 'arguments': {
        const call = this.#calls[event.position];
        if (call !== undefined) call.text += event.text;
        break;
      }
      case 'tool_started':
      case 'tool_finished':
        this.#stream?.write(`: gyre.${event.type.replace('_', '.')} ${event.call.name.replace(/\s/g, ' ')}\n\n`);
        break;
      case 'step':
        if (event.step.outcome === 'failed') break; // a block that was being written is not ended as if it were whole
        // Text may go on in the next step; calls are whole, or will never be.
        this.#whole = this.#blocks.at(-1)?.type === 'text' ? this.#blocks.length - 1 : this.#blocks.length;
        this.#cited.clear();
        this.#stopSequence = event.step.action?.stopSequence;
        break;
      default:
        event satisfies never;
    }
    this.#tell();
    return this.#stream?.full;
  }

  finish(finish: Finish): void {
    this.#stream?.stop();
    if (this.#stream?.gone === true) return;
    const { fault, ending } = finish;
    if (fault !== undefined) {
      if (this.#stream?.begun === true)
        this.#stream.end(`event: error\ndata: ${ANTHROPIC.envelope(fault, this.#exchange.requestId)}\n\n`);
      else this.#exchange.fail(fault, this.#head.headers, ending.toolUse.executed > 0);
      return;
    }
    if (ending.outcome === 'cancelled') return;
    const stop = stopOf(
      finish,
      this.#refused,
      this.#fields.stop_sequences?.find((sequence) => sequence === this.#stopSequence),
    );
    if (this.#sources.length > 0) this.#leftOut.add('citations');
    const gyre = { ...limitOf(ending), ...(this.#leftOut.size === 0 ? {} : { left_out: [...this.#leftOut] }) };
    const more = Object.keys(gyre).length === 0 ? {} : { gyre };
    if (this.#stream === undefined) {
      const whole = JSON.stringify({ ...this.#message(ending), ...stop, ...more });
      // Inputs go in as text: read and written again, a number could become another one.
      return this.#exchange.json(
        `${whole.slice(0, -1)},"content":[${this.#blocks.map((block) => wireBlock(block, this.#seal)).join(',')}]}`,
        { ...this.#headers, ...besideHeader(this.#leftOut) },
      );
    }
    if (!this.#begun) this.#begin();
    this.#whole = this.#blocks.length;
    this.#tell();
    this.#stream.end(
      frame('message_delta', {
        delta: { ...stop, container: null },
        usage: usageOf(ending),
        ...this.#edits(),
        ...more,
      }) + frame('message_stop', {}),
    );
  }

  #begin(start?: Extract<PolicyEvent, { type: 'start' }>): void {
    this.#begun = true;
    const usage = { ...NO_USAGE, prompt_tokens: start?.promptTokenIds?.length ?? 0 };
    const nothing = { stop_reason: null, stop_sequence: null, stop_details: null, content: [] };
    this.#stream?.write(
      frame('message_start', {
        message: { ...this.#message({ usage, toolUse: { requested: 0, executed: 0, by_tool: {} } }), ...nothing },
      }),
    );
  }

  #text(text: string): void {
    const last = this.#blocks.at(-1);
    if (last?.type === 'text') last.text += text;
    else this.#blocks.push({ type: 'text', text, sources: [] });
    this.#cite();
  }

  /** Sources are of the text they come with, or of the next one; each is told once in a step. */
  #beside(fields: Beside): void {
    const { cited, images, others } = besideText(fields);
    for (const name of images.length > 0 ? ['images', ...others] : others) this.#leftOut.add(name);
    for (const source of cited.map(sourceOf)) {
      // Without words it says nothing new of a source that is known.
      const key = `${source.url}\n${source.cited_text}`;
      if (this.#cited.has(source.cited_text === '' ? source.url : key)) continue;
      this.#cited.add(key).add(source.url);
      this.#sources.push(source);
    }
    this.#cite();
  }

  #cite(): void {
    const last = this.#blocks.at(-1);
    if (last?.type === 'text') for (const source of this.#sources.splice(0)) last.sources.push(source);
  }

  /** What is reasoned in one step is one block: its signature is over all of it. */
  #thought(text: string): void {
    const last = this.#blocks.length > this.#whole ? this.#blocks.at(-1) : undefined;
    if (last?.type === 'thinking') {
      last.text += text;
      last.said += text;
    } else this.#blocks.push({ type: 'thinking', text, said: text });
  }

  /** Streams every block, and every piece of one, that may be sent by now. */
  #tell(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    for (;;) {
      const block = this.#blocks[this.#telling];
      if (block === undefined) return;
      const index = this.#telling;
      const whole = index < this.#whole || (block.type !== 'tool_use' && index < this.#blocks.length - 1);
      if (block.type === 'tool_use' && !block.eager && !whole) return;
      if (!this.#opened) {
        this.#opened = true;
        stream.write(frame('content_block_start', { index, content_block: begun(block) }));
      }
      const text = block.type === 'tool_use' && !block.eager ? objectJson(block.text) : block.text;
      block.text = '';
      if (text !== '') stream.write(frame('content_block_delta', { index, delta: deltaOf(block, text) }));
      if (block.type === 'text')
        for (const citation of block.sources.splice(0))
          stream.write(frame('content_block_delta', { index, delta: { type: 'citations_delta', citation } }));
      if (!whole) return;
      if (block.type === 'thinking')
        stream.write(
          frame('content_block_delta', {
            index,
            delta: { type: 'signature_delta', signature: this.#seal.of(block.said) },
          }),
        );
      stream.write(frame('content_block_stop', { index }));
      this.#telling += 1;
      this.#opened = false;
    }
  }

  /** Who asks for edits of the conversation is told of those that were made: none. */
  #edits(): Readonly<Record<string, unknown>> {
    return this.#fields.context_management === undefined ? {} : { context_management: { applied_edits: [] } };
  }

  /** The message but for its content and its end. */
  #message(ending: Pick<Ending, 'usage' | 'toolUse'>): Readonly<Record<string, unknown>> {
    const { id, model } = this.#head;
    return {
      id,
      type: 'message',
      role: 'assistant',
      model,
      container: null,
      diagnostics: null,
      ...this.#edits(),
      usage: { ...usageOf(ending), cache_creation: null, inference_geo: null, service_tier: 'standard', speed: null },
    };
  }
}

/** The version of the protocol, as the client named it: some look for it. */
function versionOf(exchange: Exchange): Readonly<Record<string, string>> {
  const version = exchange.header('anthropic-version');
  return version !== undefined && /^[\d-]{1,20}$/.test(version) ? { 'anthropic-version': version } : {};
}

function frame(type: string, data: Readonly<Record<string, unknown>>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

interface Stop {
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
  readonly stop_details: { readonly type: 'refusal'; readonly category: null; readonly explanation: null } | null;
}

/**
 * A limit of the loop is sent as `max_tokens`, with its own name beside it. `pause_turn` would have clients send the
 * turn back to be continued, past the limit.
 */
function stopOf({ finishReasons: [reason] }: Finish, refused: boolean, sequence: string | undefined): Stop {
  const stop = (stop_reason: string): Stop => ({ stop_reason, stop_sequence: null, stop_details: null });
  const refusal: Stop = {
    ...stop('refusal'),
    stop_details: { type: 'refusal', category: null, explanation: null },
  };
  switch (reason) {
    case 'tool_calls':
      return stop('tool_use');
    case 'length':
      return stop('max_tokens');
    case 'content_filter':
      return refusal;
    case 'stop':
    case undefined:
      if (refused) return refusal;
      return sequence === undefined ? stop('end_turn') : { ...stop('stop_sequence'), stop_sequence: sequence };
    default:
      return reason satisfies never;
  }
}

/**
 * In this protocol `input_tokens` leaves out those of the cache. Its counts of web searches and web fetches are those
 * of `search_web` and `fetch_page`.
 */
function usageOf({ usage, toolUse }: Pick<Ending, 'usage' | 'toolUse'>): Readonly<Record<string, unknown>> {
  const { search_web: searches = 0, fetch_page: fetches = 0 } = toolUse.by_tool;
  return {
    input_tokens: Math.max(0, usage.prompt_tokens - usage.cached_tokens),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cached_tokens,
    output_tokens: usage.completion_tokens,
    output_tokens_details: { thinking_tokens: usage.reasoning_tokens },
    server_tool_use:
      toolUse.requested === 0 && toolUse.left_out === undefined
        ? null
        : { web_search_requests: searches, web_fetch_requests: fetches, ...toolUse },
  };
}
