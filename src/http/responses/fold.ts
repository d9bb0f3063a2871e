/**
 * An answer as the Responses API tells it: a list of items, whole or as events. Both are one fold: every change
 * of an item is an event, and who did not ask for a stream hears none of them. Where the events go is not its concern.
 * Calls of the gateway's own tools are shown as `mcp_call` items of the server `gyre`, which SDKs know how to read.
 */
import type { Ending } from '../../core/trajectory.js';
import type { LoopEvent } from '../../loop/events.js';
import type { ResponseFields } from './fields.js';
import {
  type CallItem,
  type MessageItem,
  type OutputItem,
  type ReasoningItem,
  type ResponseEnd,
  type ResponseHead,
  type ResponseObject,
  responseObject,
  type ServerItem,
} from './object.js';
import { itemId } from './references.js';

/** One event of a response, numbered. Its items go on changing: whoever keeps it writes it down at once. */
export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}

export class ResponseFold {
  readonly #head: ResponseHead;
  readonly #fields: ResponseFields;
  readonly #tell: ((event: ResponseEvent) => void) | undefined;
  readonly #output: OutputItem[] = [];
  /** The item text is added to. */
  #open: MessageItem | ReasoningItem | undefined;
  readonly #calls = new Map<number, CallItem>();
  readonly #running = new Map<string, ServerItem>();
  /** Characters of text so far, of all messages. */
  #textLength = 0;
  #sequence = 0;
  #begun = false;

  constructor(head: ResponseHead, fields: ResponseFields, tell?: (event: ResponseEvent) => void) {
    this.#head = head;
    this.#fields = fields;
    this.#tell = tell;
  }

  event(event: LoopEvent): void {
    if (!this.#begun && event.type !== 'step') this.#begin();
    switch (event.type) {
      case 'start':
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
  }

  /** Ends every item that is open, and the response; its last event carries the object that is returned. */
  end(end: ResponseEnd): ResponseObject {
    const { ending, fault } = end;
    if (!this.#begun) this.#begin();
    if (fault === undefined) {
      this.#close();
      for (const call of this.#calls.values()) this.#finishCall(call, ending);
    } else this.#emit('error', { code: fault.code, message: fault.message, param: fault.param ?? null });
    const response = responseObject(this.#head, this.#fields, this.#output, end);
    this.#emit(`response.${response.status}`, { response });
    return response;
  }

  #begin(): void {
    this.#begun = true;
    if (this.#tell === undefined) return;
    const response = responseObject(this.#head, this.#fields, []);
    this.#emit('response.created', { response });
    this.#emit('response.in_progress', { response });
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

  #add<T extends OutputItem>(item: T): T {
    this.#close();
    this.#output.push(item);
    this.#emit('response.output_item.added', { output_index: this.#output.length - 1, item });
    return item;
  }

  #done(item: OutputItem): void {
    this.#emit('response.output_item.done', { output_index: this.#output.indexOf(item), item });
  }

  #at(item: OutputItem): { item_id: string; output_index: number } {
    return { item_id: item.id, output_index: this.#output.indexOf(item) };
  }

  #emit(type: string, data: Readonly<Record<string, unknown>>): void {
    this.#tell?.({ type, sequence_number: this.#sequence, ...data });
    this.#sequence += 1;
  }
}
