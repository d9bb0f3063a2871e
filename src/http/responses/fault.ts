/** An error as the Responses API tells it: what the floors below call `messages` is a request's `input` here. */
import { type ErrorShape, OPENAI, openaiError } from '../wire/failure.js';

export const RESPONSES_ERRORS: ErrorShape = {
  ...OPENAI,
  envelope: (thrown) => JSON.stringify({ error: responsesError(thrown) }),
};

export function responsesError(thrown: unknown): ReturnType<typeof openaiError> {
  const { param, ...error } = openaiError(thrown);
  return { ...error, param: param === 'messages' && !OF_FIELDS.has(error.code) ? 'input' : param };
}

/** A request that has a field of that name is told so by it. */
const OF_FIELDS = new Set(['unknown_parameter', 'unsupported_parameter']);
