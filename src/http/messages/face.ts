/**
 * `POST /v1/messages`: Anthropic's Messages API as a face of the same loop. What the policy reasons is shown to who
 * asks for `thinking`, signed, so that it is known again when it comes back.
 */
import { badRequest } from '../../core/errors.js';
import { MessageAnswer } from './answer.js';
import { COUNT_FIELDS, MESSAGE_FIELDS, type MessageFields } from './fields.js';
import { type MessageTool, toolOf } from './tools.js';
import { messagesOf, newestMedia, resent } from './turns.js';
import type { Face } from '../protocol/face.js';
import { chosenTool } from '../protocol/hosted.js';
import type { Past } from '../protocol/past.js';
import { readFields, reasonOf, requiredField, requiredModel } from '../protocol/fields.js';
import { type AnswerRequest, samplingOf } from '../protocol/request.js';
import { ANTHROPIC } from '../wire/failure.js';

type Forwarded = AnswerRequest['forwarded'];

export const MESSAGES: Face = {
  id: 'msg',
  errors: ANTHROPIC,
  parse(raw, past) {
    refuseThread(raw);
    const { fields, forwarded } = readFields(raw, MESSAGE_FIELDS);
    requiredField(fields.max_tokens, 'max_tokens', ': say how many tokens a step of the answer may have.');
    return {
      request: requestOf(fields, forwarded, past),
      delivery: (exchange, head, pace) => new MessageAnswer(exchange, head, fields, pace),
    };
  },
  resent,
};

/** A request for a count, as the request whose prompt is counted. */
export function parseCount(raw: unknown, past: Pick<Past, 'signed'>): AnswerRequest {
  const { fields, forwarded } = readFields(raw, COUNT_FIELDS);
  return requestOf(fields, forwarded, past);
}

/**
 * The tool runner of Anthropic's SDK sends `thread` on its own, and goes on with the whole conversation when it reads
 * this error code.
 */
function refuseThread(raw: unknown): void {
  const thread = typeof raw === 'object' && raw !== null && 'thread' in raw ? raw.thread : null;
  if (thread !== null)
    throw badRequest(
      `The parameter "thread" is not supported. ${reasonOf(MESSAGE_FIELDS.refused['thread'] ?? '')}`,
      'thread',
      'thread_unsupported_request',
    );
}

function requestOf(fields: MessageFields, forwarded: Forwarded, past: Pick<Past, 'signed'>): AnswerRequest {
  const model = requiredModel(fields.model);
  const messages = requiredField(fields.messages, 'messages', ': send a list with at least one message.');
  const choice = fields.tool_choice;
  if (messages.at(-1)?.role === 'assistant')
    throw badRequest(
      '"messages" ends with a turn of the assistant. The policy answers; it does not go on with an ' +
        "answer that was begun for it. End with a user's turn.",
      'messages',
    );
  return {
    model,
    messages: messagesOf(fields.system, messages, (signature, text) => past.signed(signature, text)),
    newestMedia: newestMedia(messages),
    stream: fields.stream ?? false,
    includeUsage: false,
    toolEvents: false,
    tools: (fields.tools ?? []).map(toolOf),
    toolChoice: choiceOf(choice, fields.tools ?? []),
    parallelToolCalls: choice?.disable_parallel_tool_use === true ? false : undefined,
    n: 1,
    topLogprobs: undefined,
    tokenIds: false,
    sampling: samplingOf({
      temperature: fields.temperature,
      top_p: fields.top_p,
      top_k: fields.top_k,
      max_tokens: fields.max_tokens,
      stop: fields.stop_sequences?.length === 0 ? undefined : fields.stop_sequences,
    }),
    limitField: 'max_tokens',
    forwarded: forwardedOf(fields, forwarded),
    formField: fields.output_config?.format ? 'output_config.format' : 'output_format',
    thinks: thinksOf(fields.thinking),
    store: true,
    metadata: metadataOf(fields.metadata),
  };
}

function choiceOf(choice: MessageFields['tool_choice'], tools: readonly MessageTool[]): AnswerRequest['toolChoice'] {
  if (choice === undefined) return undefined;
  if ('name' in choice) {
    // A tool of Anthropic's is chosen by its name, and may be one of ours.
    const chosen = tools.find((tool) => 'name' in tool && tool.name === choice.name);
    const named = chosen === undefined ? undefined : toolOf(chosen);
    return named !== undefined && 'hosted' in named ? named : chosenTool('function', choice.name);
  }
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type;
    case 'any':
      return 'required';
    default:
      return chosenTool(choice.type);
  }
}

/** `adaptive` leaves it to the model. */
function thinksOf(thinking: MessageFields['thinking']): boolean | undefined {
  return thinking === undefined || thinking.type === 'adaptive' ? undefined : thinking.type === 'enabled';
}

/** Efforts beyond the highest that every server knows. */
const HIGHEST = new Set(['xhigh', 'max']);

function forwardedOf({ output_config: output, output_format: older }: MessageFields, forwarded: Forwarded): Forwarded {
  const format = output?.format ?? older;
  const effort = output?.effort ?? undefined;
  const more = {
    ...(format
      ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: format.schema } } }
      : {}),
    ...(effort === undefined ? {} : { reasoning_effort: HIGHEST.has(effort) ? 'high' : effort }),
  };
  return Object.keys(more).length === 0 ? forwarded : { ...forwarded, ...more };
}

/** A value of null means the same as leaving its key out. */
function metadataOf(metadata: MessageFields['metadata']): AnswerRequest['metadata'] {
  if (metadata === undefined) return undefined;
  return Object.fromEntries(Object.entries(metadata).filter((entry): entry is [string, string] => entry[1] !== null));
}
