/** Chat Completions, whole and streamed. */
import { WholeAnswer } from './whole.js';
import { parseChat } from './request.js';
import type { Face } from '../protocol/face.js';
import { StreamedAnswer } from './streamed.js';
import { OPENAI } from '../wire/failure.js';

/** `POST /v1/chat/completions`. */
export const CHAT: Face = {
  id: 'chatcmpl',
  errors: OPENAI,
  parse(raw) {
    const request = parseChat(raw);
    return {
      request,
      delivery: (exchange, head, settings) =>
        request.stream
          ? new StreamedAnswer(exchange, head, {
              includeUsage: request.includeUsage,
              runningUsage: request.includeUsage && request.runningUsage,
              toolEvents: request.toolEvents,
              custom: request.freeform,
              ...settings,
            })
          : new WholeAnswer(exchange, head, settings, request.freeform),
    };
  },
};
