/**
 * The protocols a client may speak. Routes, error shapes, the tables of docs/fields.md and /openapi.json are made from
 * this list: a new protocol is a folder and an entry here.
 */
import { answerBy } from './answering.js';
import { CHAT } from './chat/face.js';
import { CHAT_FIELDS } from './chat/fields.js';
import { CHAT_OPERATION } from './chat/operation.js';
import { COMPLETIONS } from './completions/face.js';
import { COMPLETION_FIELDS } from './completions/fields.js';
import { COMPLETIONS_OPERATION } from './completions/operation.js';
import { countTokens } from './messages/count.js';
import { MESSAGES } from './messages/face.js';
import { COUNT_FIELDS, MESSAGE_FIELDS } from './messages/fields.js';
import { COUNT_OPERATION, MESSAGES_OPERATION } from './messages/operation.js';
import type { AnswerDeps } from './protocol/deps.js';
import type { Face } from './protocol/face.js';
import type { FieldTable } from './protocol/fields.js';
import type { ProtocolOperation } from './protocol/operation.js';
import { RESPONSES } from './responses/face.js';
import { COMPACT } from './responses/compact.js';
import { COMPACT_FIELDS, COUNT_FIELDS as RESPONSE_COUNT_FIELDS, RESPONSE_FIELDS } from './responses/fields.js';
import { COMPACT_OPERATION, INPUT_TOKENS_OPERATION, RESPONSES_OPERATION } from './responses/operation.js';
import { countInput } from './responses/tokens.js';
import type { Exchange } from './wire/exchange.js';
import { ANTHROPIC, type ErrorShape, OPENAI } from './wire/failure.js';

export interface Protocol {
  /** What its requests are posted to. */
  readonly path: string;
  /** As the documentation calls it. */
  readonly name: string;
  readonly fields: FieldTable;
  readonly operation: ProtocolOperation;
  readonly errors: ErrorShape;
  /** Absent where no answer is sampled, so that there is nothing to stream and nothing to log. */
  readonly face?: Face | undefined;
  /** Answers one exchange, errors included; never throws. */
  readonly answer: (deps: AnswerDeps, exchange: Exchange) => Promise<void>;
}

const sampled = (face: Face): Pick<Protocol, 'face' | 'errors' | 'answer'> => ({
  face,
  errors: face.errors,
  answer: (deps, exchange) => answerBy(face, deps, exchange),
});

export const PROTOCOLS: readonly Protocol[] = [
  {
    path: '/v1/chat/completions',
    name: 'Chat Completions',
    fields: CHAT_FIELDS,
    operation: CHAT_OPERATION,
    ...sampled(CHAT),
  },
  {
    path: '/v1/completions',
    name: 'Completions',
    fields: COMPLETION_FIELDS,
    operation: COMPLETIONS_OPERATION,
    ...sampled(COMPLETIONS),
  },
  {
    path: '/v1/responses',
    name: 'Responses',
    fields: RESPONSE_FIELDS,
    operation: RESPONSES_OPERATION,
    ...sampled(RESPONSES),
  },
  {
    path: '/v1/responses/input_tokens',
    name: 'Responses Input Tokens',
    fields: RESPONSE_COUNT_FIELDS,
    operation: INPUT_TOKENS_OPERATION,
    errors: RESPONSES.errors,
    answer: countInput,
  },
  {
    path: '/v1/responses/compact',
    name: 'Responses Compact',
    fields: COMPACT_FIELDS,
    operation: COMPACT_OPERATION,
    ...sampled(COMPACT),
  },
  {
    path: '/v1/messages',
    name: 'Messages',
    fields: MESSAGE_FIELDS,
    operation: MESSAGES_OPERATION,
    ...sampled(MESSAGES),
  },
  {
    path: '/v1/messages/count_tokens',
    name: 'Messages Count Tokens',
    fields: COUNT_FIELDS,
    operation: COUNT_OPERATION,
    errors: ANTHROPIC,
    answer: countTokens,
  },
];

/** The shape of an error at a path, also where nothing is served below a protocol's own path. */
export function errorsAt(path: string): ErrorShape {
  return PROTOCOLS.find((protocol) => path.startsWith(protocol.path))?.errors ?? OPENAI;
}
