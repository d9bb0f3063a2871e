/** `POST /v1/completions`: what the policy says after a raw prompt, without template and tools. */
import { parseCompletion } from './request.js';
import { StreamedCompletion } from './streamed.js';
import { WholeCompletion } from './whole.js';
import type { Face } from '../protocol/face.js';
import { OPENAI } from '../wire/failure.js';

export const COMPLETIONS: Face = {
  id: 'cmpl',
  errors: OPENAI,
  parse(raw) {
    const request = parseCompletion(raw);
    return {
      request,
      delivery: (exchange, head, settings) =>
        request.stream
          ? new StreamedCompletion(exchange, head, request, settings)
          : new WholeCompletion(exchange, head, request),
    };
  },
};
