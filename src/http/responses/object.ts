/** The response object: what an answer is as a whole, whoever it is sent to and however it is kept. */
import type { GyreError } from '../../core/errors.js';
import { NO_USAGE, type TokenLogprob } from '../../core/policy.js';
import type { Ending } from '../../core/trajectory.js';
import { type AnswerHead, limitOf } from '../protocol/face.js';
import type { ResponseFields } from './fields.js';
import type { ToolChoiceField, ToolField } from './tool_fields.js';
import { SERVER_LABEL } from './tools.js';

interface OutputText {
  type: 'output_text';
  text: string;
  annotations: UrlCitation[];
  logprobs: WireLogprob[];
}
interface Refusal {
  type: 'refusal';
  refusal: string;
}
export interface UrlCitation {
  readonly type: 'url_citation';
  readonly start_index: number;
  readonly end_index: number;
  readonly url: string;
  readonly title: string;
}
export interface MessageItem {
  type: 'message';
  id: string;
  status: string;
  role: 'assistant';
  /** The last one is added to. */
  content: (OutputText | Refusal)[];
}
export interface ReasoningItem {
  type: 'reasoning';
  id: string;
  status: string;
  summary: [];
  content: { type: 'reasoning_text'; text: string }[];
}
export interface FunctionItem {
  type: 'function_call';
  id: string;
  status: string;
  call_id: string;
  namespace?: string;
  name: string;
  arguments: string;
}
export interface CustomItem {
  type: 'custom_tool_call';
  id: string;
  status: string;
  call_id: string;
  namespace?: string;
  name: string;
  input: string;
}
export interface ServerItem {
  type: 'mcp_call';
  id: string;
  status: string;
  server_label: typeof SERVER_LABEL;
  name: string;
  arguments: string;
  output: string | null;
  error: { readonly type: 'mcp_tool_execution_error'; readonly content: readonly unknown[] } | null;
  approval_request_id: null;
}
/** A picture that a model gave beside its text. */
export interface ImageItem {
  type: 'image_generation_call';
  id: string;
  status: string;
  /** In base64. */
  result: string | null;
}
export type OutputItem = ImageItem | MessageItem | ReasoningItem | FunctionItem | CustomItem | ServerItem;

/** What of an answer's head the object tells. */
export type ResponseHead = Pick<AnswerHead, 'id' | 'created' | 'model' | 'sampling'> &
  Partial<Pick<AnswerHead, 'leftOut'>> & {
    /** Names of what the answer has and this protocol has no form for. */
    readonly unsaid?: ReadonlySet<string>;
  };

/** How an answer ended. */
export interface ResponseEnd {
  readonly ending: Ending;
  readonly fault?: GyreError | undefined;
  /** When, in seconds. */
  readonly at: number;
}

export type ResponseObject = Readonly<Record<string, unknown>> & { readonly status: string };

/** What the request said is given back. Without an end the answer is in progress. */
export function responseObject(
  head: ResponseHead,
  fields: ResponseFields,
  output: readonly OutputItem[],
  end?: ResponseEnd,
): ResponseObject {
  const { ending, fault, at } = end ?? {};
  const status = statusOf(end);
  const gyre = {
    ...(ending === undefined ? {} : limitOf(ending)),
    // A WebSocket has no headers to say so.
    ...(head.leftOut === undefined || head.leftOut.length === 0 ? {} : { tools_left_out: head.leftOut }),
    ...(head.unsaid === undefined || head.unsaid.size === 0 ? {} : { left_out: [...head.unsaid] }),
  };
  return {
    id: head.id,
    object: 'response',
    created_at: head.created,
    status,
    background: false,
    completed_at: status === 'completed' ? at : null,
    error:
      fault === undefined
        ? null
        : { code: fault.status === 429 ? 'rate_limit_exceeded' : 'server_error', message: fault.message },
    // The protocol has words for two reasons; a limit of the loop is told beside them.
    incomplete_details:
      status === 'incomplete'
        ? { reason: ending?.stopReason === 'content_filter' ? 'content_filter' : 'max_output_tokens' }
        : null,
    instructions: fields.instructions ?? null,
    max_output_tokens: fields.max_output_tokens ?? null,
    max_tool_calls: fields.max_tool_calls ?? null,
    model: head.model,
    output,
    parallel_tool_calls: fields.parallel_tool_calls ?? true,
    presence_penalty: fields.presence_penalty ?? 0,
    frequency_penalty: fields.frequency_penalty ?? 0,
    previous_response_id: fields.previous_response_id ?? null,
    prompt_cache_key: fields.prompt_cache_key ?? null,
    prompt_cache_retention: oneOf(RETENTIONS, fields.prompt_cache_retention) ?? null,
    reasoning: { effort: fields.reasoning?.effort ?? null, summary: fields.reasoning?.summary ?? null },
    safety_identifier: fields.safety_identifier ?? null,
    service_tier: oneOf(TIERS, fields.service_tier) ?? 'default',
    store: fields.store ?? true,
    temperature: head.sampling.temperature ?? 1,
    text: { format: fields.text?.format ?? { type: 'text' }, verbosity: fields.text?.verbosity ?? 'medium' },
    tool_choice: shownChoice(fields.tool_choice),
    tools: (fields.tools ?? []).map(shownTool),
    top_logprobs: fields.top_logprobs ?? 0,
    top_p: head.sampling.top_p ?? 1,
    truncation: fields.truncation ?? 'disabled',
    // The schema has no null here: nothing is used before the end is known.
    usage: usageOf(ending ?? NOTHING_USED),
    ...(fields.user === undefined ? {} : { user: fields.user }),
    metadata: fields.metadata ?? {},
    ...(Object.keys(gyre).length === 0 ? {} : { gyre }),
  };
}

/** Tiers an answer may be said to be of; `auto` is none. */
const TIERS = ['default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'];
const RETENTIONS = ['in_memory', '24h'];

function oneOf(known: readonly string[], value: string | undefined): string | undefined {
  return value !== undefined && known.includes(value) ? value : undefined;
}

function statusOf(end: ResponseEnd | undefined): string {
  if (end === undefined) return 'in_progress';
  if (end.fault !== undefined) return 'failed';
  const { outcome } = end.ending;
  return outcome === 'completed' || outcome === 'cancelled' ? outcome : 'incomplete';
}

const NOTHING_USED = { usage: NO_USAGE, toolUse: { requested: 0, executed: 0, by_tool: {} } };

/** Tokens and tool use in the protocol's words. */
export function usageOf({ usage, toolUse }: Pick<Ending, 'usage' | 'toolUse'>): Readonly<Record<string, unknown>> {
  return {
    input_tokens: usage.prompt_tokens,
    input_tokens_details: { cached_tokens: usage.cached_tokens, cache_write_tokens: 0 },
    output_tokens: usage.completion_tokens,
    output_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
    server_tool_use: toolUse,
  };
}

const PREFIX = 'gyre:';

/**
 * A tool as it came, with what SDKs expect of a function and a namespace; one of ours as a tool of the server its calls
 * are of.
 */
function shownTool(tool: ToolField): unknown {
  if (tool.type === 'function') return { description: null, parameters: null, strict: null, ...tool };
  if (tool.type === 'namespace') return { ...tool, description: tool['description'] ?? '' };
  return tool.type.startsWith(PREFIX)
    ? { type: 'mcp', server_label: SERVER_LABEL, allowed_tools: [tool.type.slice(PREFIX.length)] }
    : tool;
}

function shownChoice(choice: ToolChoiceField = 'auto'): unknown {
  return typeof choice === 'object' && choice.type.startsWith(PREFIX)
    ? { type: 'mcp', server_label: SERVER_LABEL, name: choice.type.slice(PREFIX.length) }
    : choice;
}

interface Candidate {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}
interface WireLogprob extends Candidate {
  readonly top_logprobs: readonly Candidate[];
}

const LOGPROBS = 'message.output_text.logprobs';

/** Whether the request asks for the logprobs of the text. */
export function asksLogprobs({ include = [], top_logprobs: top = 0 }: ResponseFields): boolean {
  return top > 0 || include.includes(LOGPROBS);
}

/** The protocol's entries have bytes always. */
export function wireLogprobs(entries: readonly TokenLogprob[] = []): WireLogprob[] {
  return entries.map(({ token, logprob, bytes, top_logprobs: top }) => ({
    token,
    logprob,
    bytes: bytes ?? [],
    top_logprobs: top.map((each) => ({ token: each.token, logprob: each.logprob, bytes: each.bytes ?? [] })),
  }));
}
