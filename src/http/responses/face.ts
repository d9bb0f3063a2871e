/** `POST /v1/responses`: the Responses API as a face of the same loop. Its conversations are the log's own. */
import { badRequest, GyreError, quoted } from '../../core/errors.js';
import type { Message } from '../../core/message.js';
import type { Past } from '../protocol/past.js';
import type { Face } from '../protocol/face.js';
import { readFields, requiredField, requiredModel } from '../protocol/fields.js';
import { type AnswerRequest, samplingOf } from '../protocol/request.js';
import { ResponseAnswer } from './answer.js';
import { RESPONSES_ERRORS } from '../wire/failure.js';
import { COUNT_FIELDS, RESPONSE_FIELDS, type ResponseFields } from './fields.js';
import { messagesOf } from './items.js';
import { asksLogprobs } from './object.js';
import { refersOf } from './references.js';
import { choiceOf, toolsetOf } from './tools.js';

export const RESPONSES: Face = {
  id: 'resp',
  errors: RESPONSES_ERRORS,
  refers: refersOf,
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
  const { fields, forwarded } = readFields(raw, RESPONSE_FIELDS);
  return { fields, request: requestOf(fields, forwarded, past) };
}

/** A request whose prompt is to be counted. */
export function readCount(raw: unknown, past: Past): AnswerRequest {
  const { fields, forwarded } = readFields(raw, COUNT_FIELDS);
  return requestOf(fields, forwarded, past);
}

function requestOf(fields: ResponseFields, engine: AnswerRequest['forwarded'], past: Past): AnswerRequest {
  const model = requiredModel(fields.model);
  if (fields.previous_response_id === undefined)
    requiredField(fields.input, 'input', ': send a text, or a list of items.');
  const toolset = toolsetOf(fields);
  return {
    model,
    messages: conversationOf(fields, past),
    stream: fields.stream ?? false,
    includeUsage: false,
    toolEvents: false,
    tools: toolset.offered,
    freeform: new Set([...toolset.client].flatMap(([name, { kind }]) => (kind === 'custom' ? [name] : []))),
    toolChoice: choiceOf(fields.tool_choice, toolset),
    parallelToolCalls: fields.parallel_tool_calls,
    n: 1,
    topLogprobs: asksLogprobs(fields) ? (fields.top_logprobs ?? 0) : undefined,
    tokenIds: false,
    sampling: samplingOf({ ...fields, max_tokens: fields.max_output_tokens }),
    limitField: 'max_completion_tokens',
    forwarded: forwardedOf(fields, engine),
    formField: 'text.format',
    maxToolCalls: fields.max_tool_calls,
    store: fields.store ?? true,
    asked: askedOf(fields),
    metadata: fields.metadata,
  };
}

/** The conversation of a request: its instructions, what it goes on from, and its input. */
export function conversationOf(
  { instructions, previous_response_id: previous, input = [] }: ConversationFields,
  past: Past,
): readonly Message[] {
  const asked: readonly Message[] =
    typeof input === 'string' ? [{ role: 'user', content: input }] : messagesOf(input, past);
  const messages = [...before(previous, past), ...asked];
  if (messages.length === 0 && instructions === undefined)
    throw badRequest('"input" has no item that says anything: send a message with it.', 'input');
  if (previous !== undefined) checkResults(messages);
  return instructions === undefined ? messages : [{ role: 'system', content: instructions }, ...messages];
}

type ConversationFields = Pick<ResponseFields, 'instructions' | 'previous_response_id' | 'input'>;

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

/** What is logged of a request to be told again: of its input only the tools in it,
 * since the conversation is in the log as messages. */
function askedOf({ input, instructions, ...fields }: ResponseFields): Readonly<Record<string, unknown>> {
  const added = typeof input === 'string' ? [] : (input ?? []).filter(({ type }) => type === 'additional_tools');
  return {
    ...fields,
    ...(added.length === 0 ? {} : { input: added }),
    ...(instructions === undefined ? {} : { instructions: true }),
  };
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
