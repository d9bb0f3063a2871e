/**
 * A chat completion request out of untrusted JSON: every field checked against the table, its meaning in the core's
 * words.
 */
import { badRequest } from '../../core/errors.js';
import { type MessageInput, toMessages } from '../../core/message_input.js';
import { CHAT_FIELDS } from './fields.js';
import { checkBestOf } from '../protocol/engine_fields.js';
import { readFields, requiredField, requiredModel } from '../protocol/fields.js';
import { type AnswerRequest, samplingOf } from '../protocol/request.js';
import { choiceOf, customNames, offeredTool } from './tools.js';

export interface ChatRequest extends AnswerRequest {
  /** Usage so far on every chunk. */
  readonly runningUsage: boolean;
}

/** Throws 400 that names the field. */
export function parseChat(raw: unknown): ChatRequest {
  const { fields, forwarded } = readFields(raw, CHAT_FIELDS);
  const model = requiredModel(fields.model);
  const messages = requiredField(fields.messages, 'messages', ': send a list with at least one message.');
  const stream = fields.stream ?? false;
  const streamed = stream ? fields.stream_options : undefined;
  if ((fields.top_logprobs ?? 0) > 0 && fields.logprobs !== true)
    throw badRequest('"top_logprobs" is only allowed with "logprobs": true.', 'top_logprobs');
  const n = fields.n ?? 1;
  checkBestOf(fields.best_of, n);
  return {
    model,
    messages: toMessages(messages),
    callFields: callFieldsOf(messages),
    stream,
    includeUsage: streamed?.include_usage ?? false,
    runningUsage: streamed?.continuous_usage_stats ?? false,
    toolEvents: streamed?.include_tool_events ?? false,
    tools: (fields.tools ?? []).map(offeredTool),
    freeform: customNames(fields.tools),
    toolChoice: choiceOf(fields.tool_choice),
    parallelToolCalls: fields.parallel_tool_calls,
    n,
    topLogprobs: fields.logprobs === true ? (fields.top_logprobs ?? 0) : undefined,
    tokenIds: fields.return_token_ids ?? false,
    sampling: samplingOf(fields),
    limitField: fields.max_completion_tokens === undefined ? 'max_tokens' : 'max_completion_tokens',
    forwarded,
    store: fields.store ?? true,
    metadata: fields.metadata,
  };
}

function callFieldsOf(messages: readonly MessageInput[]): AnswerRequest['callFields'] {
  let found: Map<string, { readonly extra_content: unknown }> | undefined;
  for (const message of messages) {
    if (message.role !== 'assistant') continue;
    for (const { id, extra_content: extra } of message.tool_calls ?? [])
      if (extra !== undefined && extra !== null) (found ??= new Map()).set(id, { extra_content: extra });
  }
  return found;
}
