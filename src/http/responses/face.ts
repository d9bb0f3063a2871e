/** `POST /v1/responses`: the Responses API as a face of the same loop. Its conversations are the log's own. */
import { badRequest, GyreError, quoted } from '../../core/errors.js';
import type { Message } from '../../core/message.js';
import type { Past } from '../protocol/past.js';
import type { Face } from '../protocol/face.js';
import { readFields, requiredField, requiredModel } from '../protocol/fields.js';
import { type AnswerRequest, samplingOf } from '../protocol/request.js';
import { ResponseAnswer } from './answer.js';
import { RESPONSE_FIELDS, type ResponseFields } from './fields.js';
import { messagesOf } from './items.js';
import { isReference } from './references.js';
import { OPENAI } from '../wire/failure.js';

export const RESPONSES: Face = {
  id: 'resp',
  errors: OPENAI,
  refers: (raw) =>
    typeof raw === 'object' &&
    raw !== null &&
    ('previous_response_id' in raw || ('input' in raw && Array.isArray(raw.input) && raw.input.some(isReference))),
  parse(raw, past) {
    const { fields, request } = readRequest(raw, past);
    return { request, delivery: (exchange, head, settings) => new ResponseAnswer(exchange, head, fields, settings) };
  },
};

/** A request of the protocol, whatever its answer is carried by. */
export function readRequest(
  raw: unknown,
  past: Past,
): { readonly fields: ResponseFields; readonly request: AnswerRequest } {
  const { fields } = readFields(raw, RESPONSE_FIELDS);
  return { fields, request: requestOf(fields, past) };
}

function requestOf(fields: ResponseFields, past: Past): AnswerRequest {
  const model = requiredModel(fields.model);
  const input =
    fields.previous_response_id === undefined
      ? requiredField(fields.input, 'input', ': send a text, or a list of items.')
      : (fields.input ?? []);
  const asked: readonly Message[] =
    typeof input === 'string' ? [{ role: 'user', content: input }] : messagesOf(input, past);
  const earlier = before(fields.previous_response_id, past);
  if (fields.previous_response_id !== undefined) checkResults([...earlier, ...asked]);
  return {
    model,
    messages: [
      ...(fields.instructions === undefined ? [] : [{ role: 'system' as const, content: fields.instructions }]),
      ...earlier,
      ...asked,
    ],
    stream: fields.stream ?? false,
    includeUsage: false,
    toolEvents: false,
    tools: (fields.tools ?? []).map((tool) =>
      'name' in tool
        ? {
            type: 'function' as const,
            function: {
              name: tool.name,
              description: tool.description,
              parameters: tool.parameters,
              strict: tool.strict,
            },
          }
        : tool,
    ),
    toolChoice: toolChoiceOf(fields.tool_choice),
    parallelToolCalls: fields.parallel_tool_calls,
    n: 1,
    topLogprobs: undefined,
    tokenIds: false,
    sampling: samplingOf({
      temperature: fields.temperature,
      top_p: fields.top_p,
      max_tokens: fields.max_output_tokens,
    }),
    limitField: 'max_completion_tokens',
    forwarded: forwardedOf(fields),
    maxToolCalls: fields.max_tool_calls,
    store: fields.store ?? true,
    asked: askedOf(fields),
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
  const { messages, asked } = conversation;
  const [first, ...rest] = messages;
  // Earlier builds did not log whether a request had instructions: there a system message that is the first is taken
  // for them.
  const instructed = asked === undefined ? id.startsWith('resp-') : asked['instructions'] === true;
  return first?.role === 'system' && instructed ? rest : messages;
}

/** What is logged of a request to be told again: not the conversation, which is in the log as messages. */
function askedOf({ input: _, instructions, ...fields }: ResponseFields): Readonly<Record<string, unknown>> {
  return instructions === undefined ? fields : { ...fields, instructions: true };
}

/** A result that answers no call of the conversation it continues: the client has another one in mind. */
function checkResults(messages: readonly Message[]): void {
  const calls = new Set<string>();
  for (const message of messages) {
    if (message.role === 'assistant') for (const call of message.tool_calls ?? []) calls.add(call.id);
    if (message.role === 'tool' && !calls.has(message.tool_call_id))
      throw badRequest(
        `No call with the call_id ${quoted(message.tool_call_id)} is in the conversation that is continued.`,
        'input',
      );
  }
}

function toolChoiceOf(choice: ResponseFields['tool_choice']): AnswerRequest['toolChoice'] {
  if (choice === undefined || typeof choice === 'string') return choice;
  return 'name' in choice ? { type: 'function', function: { name: choice.name } } : choice;
}

function forwardedOf({ text, reasoning }: ResponseFields): AnswerRequest['forwarded'] {
  const format = text?.format;
  const forwarded = {
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
