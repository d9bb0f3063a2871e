/**
 * An answer as the Responses API tells it: a list of items, whole or as events. Both are one fold: every change
 * of an item is an event, and who did not ask for a stream hears none of them. Where the events go is not its concern.
 * Calls of the gateway's own tools are shown where the request named the tool: as `mcp_call` items of the server
 * `gyre`, which SDKs know how to read.
 */
import type { Beside } from '../../core/policy.js';
import type { LoopEvent } from '../../loop/events.js';
import { besideText } from '../protocol/beside.js';
import { Citations } from './citations.js';
import { responsesError } from '../wire/failure.js';
import type { ResponseFields } from './fields.js';
import { FreeformInput } from '../protocol/freeform.js';
import {
  asksLogprobs,
  type CustomItem,
  type FunctionItem,
  type ImageItem,
  type MessageItem,
  type OutputItem,
  type ReasoningItem,
  type ResponseEnd,
  type ResponseHead,
  type ResponseObject,
  responseObject,
  type ServerItem,
  wireLogprobs,
} from './object.js';
import { itemId } from './references.js';
import { SERVER_LABEL, type Toolset, toolsetOf } from './tools.js';

/** One event of a response, numbered. Its items go on changing: whoever keeps it writes it down at once. */
export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}

/** What happens in an answer. The end of a step is all that is to be known of it here. */
export type FoldEvent = Exclude<LoopEvent, { readonly type: 'step' }> | { readonly type: 'step' };
type On<T extends LoopEvent['type']> = Extract<LoopEvent, { readonly type: T }>;

/** A call of the client's that is still being told. */
type OpenCall = { readonly item: FunctionItem } | { readonly item: CustomItem; readonly input: FreeformInput };

export class ResponseFold {
  readonly #head: ResponseHead;
  readonly #fields: ResponseFields;
  readonly #tell: ((event: ResponseEvent) => void) | undefined;
  readonly #tools: Toolset;
  readonly #logprobs: boolean;
  readonly #output: OutputItem[] = [];
  /** The item text is added to. */
  #open: MessageItem | ReasoningItem | undefined;
  readonly #calls = new Map<number, OpenCall>();
  readonly #running = new Map<string, ServerItem>();
  readonly #cited = new Citations();
  /** Pictures of this action, which are items of their own after it. */
  #images: string[] = [];
  /** Names of what the answer had beside its text, and this protocol has no form for. */
  readonly leftOut = new Set<string>();
  /** Characters of text so far, of all messages. */
  #textLength = 0;
  #sequence = 0;
  #begun = false;

  constructor(head: ResponseHead, fields: ResponseFields, tell?: (event: ResponseEvent) => void) {
    this.#head = head;
    this.#fields = fields;
    this.#tell = tell;
    this.#tools = toolsetOf(fields);
    this.#logprobs = asksLogprobs(fields);
  }

  event(event: FoldEvent): void {
    if (!this.#begun && event.type !== 'step') this.#begin();
    switch (event.type) {
      case 'start':
        break;
      case 'beside':
        this.#beside(event.fields);
        break;
      case 'step':
        this.#showImages();
        this.#cited.next(this.#openText()?.text.length ?? 0);
        break;
      case 'text':
        if (event.refusal === true) this.#refuse(event.text);
        else this.#text(event);
        break;
      case 'reasoning':
        this.#reason(event.text);
        break;
      case 'call':
        this.#call(event);
        break;
      case 'arguments':
        this.#arguments(event);
        break;
      case 'tool_started':
        if (this.#tools.server.has(event.call.name)) this.#started(event);
        break;
      case 'tool_finished':
        this.#finished(event);
        break;
      default:
        event satisfies never;
    }
  }

  /** Ends every item that is open, and the response; its last event carries the object that is returned. */
  end(end: ResponseEnd): ResponseObject {
    const { ending, fault } = end;
    if (!this.#begun) this.#begin();
    this.#showImages();
    // What was cited for no text has nothing to be an annotation of.
    if (this.#cited.take().length > 0) this.leftOut.add('citations');
    if (fault === undefined) {
      const status = ending.outcome === 'completed' ? 'completed' : 'incomplete';
      this.#close(status);
      for (const call of this.#calls.values()) this.#finishCall(call, status);
    } else {
      // As the API documents it, and as it sends it: its clients read the one or the other.
      const error = responsesError(fault);
      this.#emit('error', { code: error.code, message: error.message, param: error.param, error });
    }
    const response = responseObject({ ...this.#head, unsaid: this.leftOut }, this.#fields, this.#output, end);
    this.#emit(`response.${response.status}`, { response });
    return response;
  }

  #beside(fields: Beside): void {
    const { cited, images, others } = besideText(fields);
    this.#cited.add(cited);
    this.#annotate();
    for (const image of images) if (!this.#images.includes(image)) this.#images.push(image);
    for (const name of others) this.leftOut.add(name);
  }

  #showImages(): void {
    for (const result of this.#images) {
      const id = this.#id('ig');
      const begun: ImageItem = { type: 'image_generation_call', id, status: 'in_progress', result: null };
      const item = this.#add<ImageItem>({ ...begun, status: 'completed', result }, begun);
      this.#emit('response.image_generation_call.completed', this.#at(item));
      this.#done(item);
    }
    this.#images = [];
  }

  #begin(): void {
    this.#begun = true;
    if (this.#tell === undefined) return;
    const response = responseObject(this.#head, this.#fields, []);
    this.#emit('response.created', { response });
    this.#emit('response.in_progress', { response });
  }

  #text({ text, logprobs }: On<'text'>): void {
    let item = this.#open;
    if (item?.type !== 'message') {
      // Tokens without text begin no message.
      if (text === '') return;
      item = this.#openItem({
        type: 'message',
        id: itemId('msg', this.#head.id, this.#textLength),
        status: 'in_progress',
        role: 'assistant',
        content: [{ type: 'output_text', text: '', annotations: [], logprobs: [] }],
      });
      this.#cited.begin();
    }
    // What is said after a refusal is a part of its own.
    if (item.content.at(-1)?.type !== 'output_text') {
      if (text === '') return;
      this.#openPart(item, { type: 'output_text', text: '', annotations: [], logprobs: [] });
      this.#cited.begin();
    }
    const entries = this.#logprobs ? wireLogprobs(logprobs) : [];
    if (text === '' && entries.length === 0) return;
    const part = item.content.at(-1);
    if (part?.type === 'output_text') {
      part.text += text;
      for (const entry of entries) part.logprobs.push(entry);
    }
    this.#textLength += text.length;
    this.#emit('response.output_text.delta', { ...this.#atPart(item), delta: text, logprobs: entries });
    this.#annotate();
  }

  #refuse(text: string): void {
    if (text === '') return;
    const refusal = { type: 'refusal', refusal: '' } as const;
    let item = this.#open;
    if (item?.type !== 'message') {
      item = this.#openItem({
        type: 'message',
        id: itemId('msg', this.#head.id, this.#textLength),
        status: 'in_progress',
        role: 'assistant',
        content: [{ ...refusal }],
      });
    } else if (item.content.at(-1)?.type !== 'refusal') this.#openPart(item, { ...refusal });
    const part = item.content.at(-1);
    if (part?.type === 'refusal') part.refusal += text;
    this.#textLength += text.length;
    this.#emit('response.refusal.delta', { ...this.#atPart(item), delta: text });
  }

  /** The text that is being told, where one is. */
  #openText(): Extract<MessageItem['content'][number], { readonly type: 'output_text' }> | undefined {
    const part = this.#open?.type === 'message' ? this.#open.content.at(-1) : undefined;
    return part?.type === 'output_text' ? part : undefined;
  }

  /** Tells what was cited once there is a text that cites it. */
  #annotate(): void {
    const [item, part] = [this.#open, this.#openText()];
    if (item === undefined || part === undefined) return;
    for (const annotation of this.#cited.take()) {
      part.annotations.push(annotation);
      this.#emit('response.output_text.annotation.added', {
        ...this.#atPart(item),
        annotation_index: part.annotations.length - 1,
        annotation,
      });
    }
  }

  /** The part before ends, and the next one begins. */
  #openPart(item: MessageItem, part: MessageItem['content'][number]): void {
    this.#closePart(item);
    item.content.push(part);
    this.#emit('response.content_part.added', { ...this.#atPart(item), part });
  }

  #reason(text: string): void {
    let item = this.#open;
    if (item?.type !== 'reasoning') {
      item = this.#openItem({
        type: 'reasoning',
        id: this.#id('rs'),
        status: 'in_progress',
        summary: [],
        content: [{ type: 'reasoning_text', text: '' }],
      });
    }
    const [part] = item.content;
    if (part !== undefined) part.text += text;
    this.#emit('response.reasoning_text.delta', { ...this.#at(item), content_index: 0, delta: text });
  }

  /** The item begins without its part, which is told next. */
  #openItem<T extends MessageItem | ReasoningItem>(item: T): T {
    this.#add(item, { ...item, content: [] });
    this.#open = item;
    this.#emit('response.content_part.added', { ...this.#at(item), content_index: 0, part: item.content[0] });
    return item;
  }

  /** Items whose content is not read again when they come back: their place among all items makes the id. */
  #id(kind: 'rs' | 'mcp' | 'ig'): string {
    return itemId(kind, this.#head.id, this.#output.length);
  }

  /** Ends the open item, before another one or the end. */
  #close(status: string): void {
    const item = this.#open;
    if (item === undefined) return;
    this.#open = undefined;
    item.status = status;
    this.#closePart(item);
    this.#done(item);
  }

  #closePart(item: MessageItem | ReasoningItem): void {
    const at = this.#atPart(item);
    const part = item.content.at(-1);
    switch (part?.type) {
      case 'output_text':
        this.#emit('response.output_text.done', { ...at, text: part.text, logprobs: part.logprobs });
        break;
      case 'refusal':
        this.#emit('response.refusal.done', { ...at, refusal: part.refusal });
        break;
      case 'reasoning_text':
        this.#emit('response.reasoning_text.done', { ...at, text: part.text });
        break;
      case undefined:
        return;
      default:
        part satisfies never;
    }
    this.#emit('response.content_part.done', { ...at, part });
  }

  #call({ position, id: callId, name: called }: On<'call'>): void {
    const { kind, name, namespace } = this.#tools.client.get(called) ?? { kind: 'function', name: called };
    const common = {
      status: 'in_progress',
      call_id: callId,
      ...(namespace === undefined ? {} : { namespace }),
      name,
    };
    const id = (prefix: 'fc' | 'ctc'): string => itemId(prefix, this.#head.id, position);
    const call: OpenCall =
      kind === 'custom'
        ? { item: { type: 'custom_tool_call', id: id('ctc'), ...common, input: '' }, input: new FreeformInput() }
        : { item: { type: 'function_call', id: id('fc'), ...common, arguments: '' } };
    this.#calls.set(position, call);
    this.#add(call.item);
  }

  #arguments({ position, text }: On<'arguments'>): void {
    const call = this.#calls.get(position);
    if (call === undefined) return;
    if ('input' in call) {
      const delta = call.input.add(text);
      if (delta === '') return;
      call.item.input += delta;
      this.#emit('response.custom_tool_call_input.delta', { ...this.#at(call.item), delta });
    } else {
      call.item.arguments += text;
      this.#emit('response.function_call_arguments.delta', { ...this.#at(call.item), delta: text });
    }
  }

  #finishCall(call: OpenCall, status: string): void {
    call.item.status = status;
    if ('input' in call) {
      const told = call.item.input;
      call.item.input = call.input.whole(told);
      if (told === '' && call.item.input !== '')
        this.#emit('response.custom_tool_call_input.delta', { ...this.#at(call.item), delta: call.item.input });
      this.#emit('response.custom_tool_call_input.done', { ...this.#at(call.item), input: call.item.input });
    } else {
      const { name, arguments: args } = call.item;
      this.#emit('response.function_call_arguments.done', { ...this.#at(call.item), name, arguments: args });
    }
    this.#done(call.item);
  }

  /** The item begins without its arguments: SDKs append the deltas that follow to the arguments it began with. */
  #started({ call: { id, name, arguments: args } }: On<'tool_started'>): void {
    const item = this.#add({
      type: 'mcp_call',
      id: this.#id('mcp'),
      status: 'in_progress',
      server_label: SERVER_LABEL,
      name,
      arguments: '',
      output: null,
      error: null,
      approval_request_id: null,
    } satisfies ServerItem);
    this.#running.set(id, item);
    this.#emit('response.mcp_call.in_progress', this.#at(item));
    item.arguments = args;
    this.#emit('response.mcp_call_arguments.delta', { ...this.#at(item), delta: args });
    this.#emit('response.mcp_call_arguments.done', { ...this.#at(item), arguments: args });
  }

  #finished({ call, observation: { content, error } }: On<'tool_finished'>): void {
    const item = this.#running.get(call.id);
    if (item === undefined) return;
    item.status = error === undefined ? 'completed' : 'failed';
    item.output = content;
    if (error !== undefined)
      item.error = { type: 'mcp_tool_execution_error', content: [{ type: 'text', text: `${error}: ${content}` }] };
    this.#emit(`response.mcp_call.${item.status}`, this.#at(item));
    this.#done(item);
  }

  /** `begun`: the item as it is told now, where it is not told whole. */
  #add<T extends OutputItem>(item: T, begun: OutputItem = item): T {
    this.#close('completed');
    this.#output.push(item);
    this.#emit('response.output_item.added', { output_index: this.#output.length - 1, item: begun });
    return item;
  }

  #done(item: OutputItem): void {
    this.#emit('response.output_item.done', { output_index: this.#output.indexOf(item), item });
  }

  #at(item: OutputItem): { item_id: string; output_index: number } {
    return { item_id: item.id, output_index: this.#output.indexOf(item) };
  }

  /** Of its part that is being told. */
  #atPart(item: MessageItem | ReasoningItem): Readonly<Record<string, unknown>> {
    return { ...this.#at(item), content_index: item.content.length - 1 };
  }

  #emit(type: string, data: Readonly<Record<string, unknown>>): void {
    this.#tell?.({ type, sequence_number: this.#sequence, ...data });
    this.#sequence += 1;
  }
}
