/**
 * An answer as the Responses API tells it: a list of items, whole or as events. Both are one fold: every change
 * of an item is an event, and who did not ask for a stream hears none of them. Calls of the gateway's own tools
 * are shown as `mcp_call` items of the server `gyre`, which SDKs know how to read.
 */
import type { GyreError } from '../../core/errors.js';
import { writeJson } from '../../core/text/json.js';
import type { Ending } from '../../core/trajectory.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import type { AnswerHead, Delivery } from '../protocol/face.js';
import type { ResponseFields } from './fields.js';
import { itemId } from './references.js';
import type { Exchange } from '../wire/exchange.js';
import { EventStream, type Pace } from '../wire/stream.js';

interface MessageItem {
  type: 'message';
  id: string;
  status: string;
  role: 'assistant';
  content: { type: 'output_text'; text: string; annotations: []; logprobs: [] }[];
}
interface ReasoningItem {
  type: 'reasoning';
  id: string;
  status: string;
  summary: [];
  content: { type: 'reasoning_text'; text: string }[];
}
interface CallItem {
  type: 'function_call';
  id: string;
  status: string;
  call_id: string;
  name: string;
  arguments: string;
}
interface ServerItem {
  type: 'mcp_call';
  id: string;
  status: string;
  server_label: 'gyre';
  name: string;
  arguments: string;
  output: string | null;
  error: string | null;
  approval_request_id: null;
}
type Output = MessageItem | ReasoningItem | CallItem | ServerItem;

export class ResponseAnswer implements Delivery {
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #fields: ResponseFields;
  readonly #stream: EventStream | undefined;
  readonly #output: Output[] = [];
  /** The item text is added to. */
  #open: MessageItem | ReasoningItem | undefined;
  readonly #calls = new Map<number, CallItem>();
  readonly #running = new Map<string, ServerItem>();
  /** Characters of text so far, of all messages. */
  #textLength = 0;
  #sequence = 0;
  #begun = false;

  constructor(exchange: Exchange, head: AnswerHead, fields: ResponseFields, pace: Pace) {
    this.#exchange = exchange;
    this.#head = head;
    this.#fields = fields;
    this.#stream = fields.stream === true ? new EventStream(exchange, head.headers, pace) : undefined;
  }

  event(event: LoopEvent): Promise<void> | undefined {
    if (!this.#begun && event.type !== 'step') this.#begin();
    switch (event.type) {
      case 'start':
      case 'beside':
      case 'step':
        break;
      case 'text':
        if (event.text !== '') this.#text(event.text);
        break;
      case 'reasoning':
        this.#reason(event.text);
        break;
      case 'call':
        this.#calls.set(
          event.position,
          this.#add({
            type: 'function_call',
            id: itemId('fc', this.#head.id, event.position),
            status: 'in_progress',
            call_id: event.id,
            name: event.name,
            arguments: '',
          }),
        );
        break;
      case 'arguments': {
        const call = this.#calls.get(event.position);
        if (call === undefined) break;
        call.arguments += event.text;
        this.#emit('response.function_call_arguments.delta', {
          item_id: call.id,
          output_index: this.#output.indexOf(call),
          delta: event.text,
        });
        break;
      }
      case 'tool_started': {
        const { id, name, arguments: args } = event.call;
        // The item begins without its arguments: SDKs append the deltas that follow to the arguments it began with.
        const item = this.#add({
          type: 'mcp_call',
          id: this.#id('mcp'),
          status: 'in_progress',
          server_label: 'gyre',
          name,
          arguments: '',
          output: null,
          error: null,
          approval_request_id: null,
        });
        this.#running.set(id, item);
        this.#emit('response.mcp_call.in_progress', this.#at(item));
        item.arguments = args;
        this.#emit('response.mcp_call_arguments.delta', { ...this.#at(item), delta: args });
        this.#emit('response.mcp_call_arguments.done', { ...this.#at(item), arguments: args });
        break;
      }
      case 'tool_finished': {
        const item = this.#running.get(event.call.id);
        if (item === undefined) break;
        const { content, error } = event.observation;
        item.status = error === undefined ? 'completed' : 'failed';
        item.output = content;
        item.error = error ?? null;
        this.#emit(`response.mcp_call.${item.status}`, this.#at(item));
        this.#done(item);
        break;
      }
      default:
        event satisfies never;
    }
    return this.#stream?.full;
  }

  finish(finish: Finish): void {
    this.#stream?.stop();
    if (this.#stream?.gone === true) return;
    const { fault, ending } = finish;
    if (fault !== undefined && this.#stream?.begun !== true)
      return this.#exchange.fail(fault, this.#head.headers, ending.toolUse.executed > 0);
    if (ending.outcome === 'cancelled') return;
    if (!this.#begun) this.#begin();
    if (fault === undefined) {
      this.#close();
      for (const call of this.#calls.values()) this.#finishCall(call, ending);
    }
    if (this.#stream === undefined) return this.#exchange.json(writeJson(this.#response(ending)), this.#head.headers);
    if (fault !== undefined)
      this.#emit('error', { code: fault.code, message: fault.message, param: fault.param ?? null });
    const response = this.#response(ending, fault);
    this.#stream.end(this.#frame(`response.${response.status}`, { response }));
  }

  #begin(): void {
    this.#begun = true;
    if (this.#stream === undefined) return;
    this.#emit('response.created', { response: this.#response() });
    this.#emit('response.in_progress', { response: this.#response() });
  }

  #text(text: string): void {
    let item = this.#open;
    if (item?.type !== 'message') {
      item = this.#openItem({
        type: 'message',
        id: itemId('msg', this.#head.id, this.#textLength),
        status: 'in_progress',
        role: 'assistant',
        content: [],
      });
      const part = { type: 'output_text' as const, text: '', annotations: [] as [], logprobs: [] as [] };
      item.content.push(part);
      this.#emit('response.content_part.added', { ...this.#at(item), content_index: 0, part });
    }
    const [part] = item.content;
    if (part !== undefined) part.text += text;
    this.#textLength += text.length;
    this.#emit('response.output_text.delta', { ...this.#at(item), content_index: 0, delta: text, logprobs: [] });
  }

  #reason(text: string): void {
    let item = this.#open;
    if (item?.type !== 'reasoning') {
      item = this.#openItem({ type: 'reasoning', id: this.#id('rs'), status: 'in_progress', summary: [], content: [] });
      item.content.push({ type: 'reasoning_text', text: '' });
    }
    const [part] = item.content;
    if (part !== undefined) part.text += text;
    this.#emit('response.reasoning_text.delta', { ...this.#at(item), content_index: 0, delta: text });
  }

  #openItem<T extends MessageItem | ReasoningItem>(item: T): T {
    this.#add(item);
    this.#open = item;
    return item;
  }

  /** Items whose content is not read again when they come back: their place among all items makes the id. */
  #id(kind: 'rs' | 'mcp'): string {
    return itemId(kind, this.#head.id, this.#output.length);
  }

  /** Ends the open item, before another one or the end. */
  #close(): void {
    const item = this.#open;
    if (item === undefined) return;
    this.#open = undefined;
    item.status = 'completed';
    const text = item.content[0]?.text ?? '';
    if (item.type === 'message') {
      this.#emit('response.output_text.done', { ...this.#at(item), content_index: 0, text, logprobs: [] });
      this.#emit('response.content_part.done', { ...this.#at(item), content_index: 0, part: item.content[0] });
    } else this.#emit('response.reasoning_text.done', { ...this.#at(item), content_index: 0, text });
    this.#done(item);
  }

  #finishCall(call: CallItem, ending: Ending): void {
    call.status = ending.outcome === 'completed' ? 'completed' : 'incomplete';
    this.#emit('response.function_call_arguments.done', {
      ...this.#at(call),
      name: call.name,
      arguments: call.arguments,
    });
    this.#done(call);
  }

  #add<T extends Output>(item: T): T {
    this.#close();
    this.#output.push(item);
    this.#emit('response.output_item.added', { output_index: this.#output.length - 1, item });
    return item;
  }

  #done(item: Output): void {
    this.#emit('response.output_item.done', { output_index: this.#output.indexOf(item), item });
  }

  #at(item: Output): { item_id: string; output_index: number } {
    return { item_id: item.id, output_index: this.#output.indexOf(item) };
  }

  #emit(type: string, data: Readonly<Record<string, unknown>>): void {
    this.#stream?.write(this.#frame(type, data));
  }

  #frame(type: string, data: Readonly<Record<string, unknown>>): string {
    const frame = `event: ${type}\ndata: ${writeJson({ type, sequence_number: this.#sequence, ...data })}\n\n`;
    this.#sequence += 1;
    return frame;
  }

  /** The response object as it stands; without an ending it is in progress. */
  #response(ending?: Ending, fault?: GyreError): Readonly<Record<string, unknown>> & { readonly status: string } {
    const { id, created, model } = this.#head;
    const fields = this.#fields;
    const status =
      ending === undefined
        ? 'in_progress'
        : fault !== undefined
          ? 'failed'
          : ending.outcome === 'completed'
            ? 'completed'
            : 'incomplete';
    return {
      id,
      object: 'response',
      created_at: created,
      status,
      background: false,
      error:
        fault === undefined
          ? null
          : { code: fault.status === 429 ? 'rate_limit_exceeded' : 'server_error', message: fault.message },
      incomplete_details:
        status === 'incomplete'
          ? {
              reason:
                ending?.stopReason === 'max_tokens' ? 'max_output_tokens' : (ending?.stopReason ?? 'max_output_tokens'),
            }
          : null,
      instructions: fields.instructions ?? null,
      max_output_tokens: fields.max_output_tokens ?? null,
      max_tool_calls: fields.max_tool_calls ?? null,
      model,
      output: ending === undefined ? [] : this.#output,
      parallel_tool_calls: fields.parallel_tool_calls ?? true,
      previous_response_id: fields.previous_response_id ?? null,
      prompt_cache_key: null,
      reasoning: { effort: fields.reasoning?.effort ?? null, summary: fields.reasoning?.summary ?? null },
      safety_identifier: null,
      service_tier: 'default',
      store: fields.store ?? true,
      temperature: fields.temperature ?? 1,
      text: { format: fields.text?.format ?? { type: 'text' }, verbosity: 'medium' },
      tool_choice: fields.tool_choice ?? 'auto',
      tools: fields.tools ?? [],
      top_logprobs: 0,
      top_p: fields.top_p ?? 1,
      truncation: 'disabled',
      usage: ending === undefined ? null : usageOf(ending),
      user: null,
      metadata: fields.metadata ?? {},
    };
  }
}

function usageOf({ usage, toolUse }: Ending): Readonly<Record<string, unknown>> {
  return {
    input_tokens: usage.prompt_tokens,
    input_tokens_details: { cached_tokens: usage.cached_tokens },
    output_tokens: usage.completion_tokens,
    output_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
    server_tool_use: toolUse,
  };
}
