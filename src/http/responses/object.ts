/** The response object: what an answer is as a whole, whoever it is sent to and however it is kept. */
import type { GyreError } from '../../core/errors.js';
import type { Ending } from '../../core/trajectory.js';
import type { AnswerHead } from '../protocol/face.js';
import type { ResponseFields } from './fields.js';

export interface MessageItem {
  type: 'message';
  id: string;
  status: string;
  role: 'assistant';
  content: { type: 'output_text'; text: string; annotations: []; logprobs: [] }[];
}
export interface ReasoningItem {
  type: 'reasoning';
  id: string;
  status: string;
  summary: [];
  content: { type: 'reasoning_text'; text: string }[];
}
export interface CallItem {
  type: 'function_call';
  id: string;
  status: string;
  call_id: string;
  name: string;
  arguments: string;
}
export interface ServerItem {
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
export type OutputItem = MessageItem | ReasoningItem | CallItem | ServerItem;

/** What of an answer's head the object tells. */
export type ResponseHead = Pick<AnswerHead, 'id' | 'created' | 'model'>;

/** How an answer ended; absent while it is in progress. */
export interface ResponseEnd {
  readonly ending: Ending;
  readonly fault?: GyreError | undefined;
}

export type ResponseObject = Readonly<Record<string, unknown>> & { readonly status: string };

/** `fields` are echoed, as SDKs expect. */
export function responseObject(
  head: ResponseHead,
  fields: ResponseFields,
  output: readonly OutputItem[],
  end?: ResponseEnd,
): ResponseObject {
  const { ending, fault } = end ?? {};
  const status = statusOf(end);
  return {
    id: head.id,
    object: 'response',
    created_at: head.created,
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
    model: head.model,
    output,
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

function statusOf(end: ResponseEnd | undefined): string {
  if (end === undefined) return 'in_progress';
  if (end.fault !== undefined) return 'failed';
  return end.ending.outcome === 'completed' ? 'completed' : 'incomplete';
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
