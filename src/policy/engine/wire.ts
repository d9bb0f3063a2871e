/**
 * A policy request as a chat endpoint takes it: vLLM's, or that of any other server. The only place that knows their
 * field names.
 */
import { objectJson } from '../../core/text/arguments.js';
import type { Neutraliser } from '../../core/text/control.js';
import type { Message, WireToolCall } from '../../core/message.js';
import type { FunctionSpec, NativeTurn, PolicyRequest, Prompt, ToolChoice } from '../../core/policy.js';
import { writtenInTurns } from '../../core/running/written.js';
import type { Wanted } from '../../core/serving.js';
import { writeJson } from '../../core/text/json.js';
import { isLarge } from '../../core/text/json_pieces.js';
import { withoutReasoning } from './said.js';
import { mayHide, neutral } from './neutral.js';

/** A body before it is JSON: that is made at once where it is little, in turns of the event loop where it is much. */
export interface Body {
  readonly value: object;
  /** What is asked instead where the JSON text of the value has something that may not be in it. */
  readonly instead?: { readonly where: (json: string) => boolean; readonly value: () => object } | undefined;
}

/** No token of a model is as long: one that stands at the edge of a piece is found with so much of the piece before. */
const EDGE_CHARS = 4096;

/** The JSON text; a promise where it is large. */
export function written(body: Body): string | Promise<Buffer> {
  return isLarge(body.value) ? largeBody(body) : textOf(body);
}

function textOf({ value, instead }: Body): string {
  const text = writeJson(value);
  return instead?.where(text) === true ? writeJson(instead.value()) : text;
}

async function largeBody({ value, instead }: Body): Promise<Buffer> {
  let found = false;
  let edge = '';
  const look = (piece: string): void => {
    if (found || instead === undefined) return;
    found = instead.where(edge + piece);
    edge = piece.slice(-EDGE_CHARS);
  };
  const bytes = await writtenInTurns(value, look);
  return Buffer.concat(found && instead !== undefined ? await writtenInTurns(instead.value()) : bytes);
}

/**
 * The JSON body for our own engine, without control tokens in what was said: it is always asked for token ids and
 * logprobs, which are what is learned from.
 */
export function requestBody(request: PolicyRequest, neutraliser: Neutraliser): Body {
  return neutralised(request, neutraliser, engineFields);
}

/** The same prompt for vLLM's `/tokenize`, which renders it and draws nothing. */
export function promptBody(prompt: Prompt, neutraliser: Neutraliser): string {
  return textOf(neutralised(prompt, neutraliser, promptFields));
}

/** One test of the whole body is all that most requests cost. */
function neutralised<R extends Prompt>(request: R, neutraliser: Neutraliser, fields: (request: R) => object): Body {
  const value = (): object => fields(neutral(request, neutraliser));
  return mayHide(request.messages)
    ? { value: value() }
    : { value: fields(request), instead: { where: (json) => neutraliser.finds(json), value } };
}

function engineFields(request: PolicyRequest): object {
  return {
    model: request.model,
    messages: request.messages.map(wireMessage),
    ...offered(request),
    ...request.sampling,
    ...(request.n === undefined || request.n === 1 ? {} : { n: request.n }),
    logprobs: true,
    ...(request.topLogprobs === undefined || request.topLogprobs === 0 ? {} : { top_logprobs: request.topLogprobs }),
    ...request.forwarded,
    return_token_ids: true,
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** A conversation whose last message is a turn that was taken: nothing is begun behind it. */
export function turnBody(prompt: Prompt, neutraliser: Neutraliser): string {
  return textOf(neutralised(prompt, neutraliser, (said) => ({ ...promptFields(said), add_generation_prompt: false })));
}

function promptFields({ model, messages, tools, forwarded }: Prompt): object {
  return {
    model,
    messages: messages.map(wireMessage),
    ...(tools.length === 0 ? {} : { tools: tools.map(wireTool) }),
    add_generation_prompt: true,
    ...forwarded,
  };
}

/**
 * The JSON body for anyone else's server: OpenAI's protocol and what the client itself asked for, nothing of ours.
 * A turn it took goes back as it came, `native` in the request, and one that its client sends back with the reasoning
 * before its calls. Reasoning of a turn without calls is left out where it is a plain text: many servers refuse it, and
 * none needs it.
 * `reasoningName` is the server's name for it, none where it has no plain text of it.
 */
export function upstreamBody(request: PolicyRequest, wanted: Wanted, reasoningName?: string): Body {
  const { max_tokens: limit, ...sampling } = request.sampling;
  const value = {
    model: request.model,
    messages: request.messages.map((message) => upstreamMessage(message, request.native?.get(message), reasoningName)),
    ...offered(request),
    ...sampling,
    ...(limit === undefined ? {} : { [wanted.limitField]: limit }),
    ...(request.n === undefined || request.n === 1 ? {} : { n: request.n }),
    ...(request.topLogprobs === undefined ? {} : { logprobs: true }),
    ...(request.topLogprobs === undefined || request.topLogprobs === 0 ? {} : { top_logprobs: request.topLogprobs }),
    ...request.forwarded,
    ...(wanted.tokenIds ? { return_token_ids: true } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
  return { value };
}

function offered({ tools, toolChoice, parallelToolCalls }: PolicyRequest): Readonly<Record<string, unknown>> {
  if (tools.length === 0) return {}; // newer engines refuse an empty list
  return {
    tools: tools.map(wireTool),
    tool_choice: wireChoice(toolChoice),
    parallel_tool_calls: parallelToolCalls,
  };
}

function upstreamMessage(message: Message, native: NativeTurn | undefined, reasoningName?: string): unknown {
  const plain = wireMessage(message);
  if (plain.role !== 'assistant') return plain;
  const { role, content, tool_calls: calls } = plain;
  const own = calls?.map((call) => {
    const fields = native?.calls[call.id];
    return fields === undefined
      ? call
      : { ...call, ...fields, function: { ...(fields['function'] as object | undefined), ...call.function } };
  });
  if (calls === undefined) return { role, content, ...withoutReasoning(native?.message) };
  const reasoned =
    native?.reasoning === undefined || reasoningName === undefined ? {} : { [reasoningName]: native.reasoning };
  return { role, content, tool_calls: own, ...reasoned, ...native?.message };
}

function wireTool(spec: FunctionSpec): { readonly type: 'function'; readonly function: FunctionSpec } {
  return { type: 'function', function: spec };
}

function wireChoice(choice: ToolChoice): unknown {
  return typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } };
}

/**
 * Templates know no `developer`, and vLLM parses the arguments in the history: malformed ones would fail the whole
 * request.
 */
function wireMessage(message: Message): Message {
  if (message.role === 'developer') return { ...message, role: 'system' };
  if (message.role !== 'assistant' || message.tool_calls === undefined) return message;
  return message.tool_calls.every((call) => repaired(call) === call)
    ? message
    : { ...message, tool_calls: message.tool_calls.map(repaired) };
}

function repaired(call: WireToolCall): WireToolCall {
  const mended = objectJson(call.function.arguments);
  return mended === call.function.arguments ? call : { ...call, function: { ...call.function, arguments: mended } };
}
