/** `POST /v1/responses`: the Responses API as a face of the same loop. Its conversations are the log's own. */
import { GyreError } from '../../core/errors.js';
import type { Message } from '../../core/message.js';
import type { Past } from '../protocol/past.js';
import type { Face } from '../protocol/face.js';
import { readFields, requiredField, requiredModel } from '../protocol/fields.js';
import { type AnswerRequest, samplingOf } from '../protocol/request.js';
import { ResponseAnswer } from './answer.js';
import { RESPONSE_FIELDS, type ResponseFields } from './fields.js';
import { messagesOf } from './items.js';
import { asksLogprobs } from './object.js';
import { isReference, RESPONSE_ID } from './references.js';
import { choiceOf, toolsetOf } from './tools.js';
import { OPENAI } from '../wire/failure.js';

export const RESPONSES: Face = {
  id: 'resp',
  errors: OPENAI,
  refers: (raw) =>
    typeof raw === 'object' &&
    raw !== null &&
    ('previous_response_id' in raw || ('input' in raw && Array.isArray(raw.input) && raw.input.some(isReference))),
  parse(raw, past) {
    const { fields, forwarded } = readFields(raw, RESPONSE_FIELDS);
    const request = requestOf(fields, forwarded, past);
    return { request, delivery: (exchange, head, settings) => new ResponseAnswer(exchange, head, fields, settings) };
  },
};

function requestOf(fields: ResponseFields, engine: AnswerRequest['forwarded'], past: Past): AnswerRequest {
  const model = requiredModel(fields.model);
  const input = requiredField(fields.input, 'input', ': send a text, or a list of items.');
  const toolset = toolsetOf(fields);
  const asked: readonly Message[] =
    typeof input === 'string' ? [{ role: 'user', content: input }] : messagesOf(input, past);
  return {
    model,
    messages: [
      ...(fields.instructions === undefined ? [] : [{ role: 'system' as const, content: fields.instructions }]),
      ...before(fields.previous_response_id, past),
      ...asked,
    ],
    stream: fields.stream ?? false,
    includeUsage: false,
    toolEvents: false,
    tools: toolset.offered,
    toolChoice: choiceOf(fields.tool_choice, toolset),
    parallelToolCalls: fields.parallel_tool_calls,
    n: 1,
    topLogprobs: asksLogprobs(fields) ? (fields.top_logprobs ?? 0) : undefined,
    tokenIds: false,
    sampling: samplingOf({ ...fields, max_tokens: fields.max_output_tokens }),
    limitField: 'max_completion_tokens',
    forwarded: forwardedOf(fields, engine),
    maxToolCalls: fields.max_tool_calls,
    store: fields.store ?? true,
    metadata: fields.metadata,
  };
}

/** What was said up to the answer that is gone on from, but for its instructions: each request brings its own. */
function before(id: string | undefined, past: Past): readonly Message[] {
  if (id === undefined) return [];
  const conversation = past.conversation(id);
  if (conversation === undefined) {
    throw new GyreError({
      side: 'client',
      status: 404,
      code: 'previous_response_not_found',
      param: 'previous_response_id',
      message: `There is no response ${JSON.stringify(id.slice(0, 100))} that this key may go on from.`,
    });
  }
  const [first, ...rest] = conversation;
  return first?.role === 'system' && RESPONSE_ID.test(id) ? rest : conversation;
}

function forwardedOf(
  { text, reasoning }: ResponseFields,
  engine: AnswerRequest['forwarded'],
): AnswerRequest['forwarded'] {
  const format = text?.format;
  const forwarded = {
    ...engine,
    ...(format?.type === 'json_object' ? { response_format: { type: 'json_object' } } : {}),
    ...(format?.type === 'json_schema'
      ? {
          response_format: {
            type: 'json_schema',
            json_schema: {
              name: format.name,
              schema: format.schema,
              strict: format.strict ?? undefined,
              description: format.description ?? undefined,
            },
          },
        }
      : {}),
    ...(typeof reasoning?.effort === 'string' ? { reasoning_effort: reasoning.effort } : {}),
  };
  return Object.keys(forwarded).length === 0 ? undefined : forwarded;
}
