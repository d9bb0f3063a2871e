/** The protocols side by side: what may be asked at each path, for whoever writes it down. */
import { CHAT_FIELDS, type FieldTable } from './fields.js';
import { COUNT_FIELDS, MESSAGE_FIELDS } from './messages_api_fields.js';
import { RESPONSE_FIELDS } from './responses_fields.js';

export interface Protocol {
  readonly name: string;
  /** Of a POST. */
  readonly route: string;
  readonly fields: FieldTable;
}

export const PROTOCOLS: readonly Protocol[] = [
  { name: 'Chat Completions', route: '/v1/chat/completions', fields: CHAT_FIELDS },
  { name: 'Responses', route: '/v1/responses', fields: RESPONSE_FIELDS },
  { name: 'Messages', route: '/v1/messages', fields: MESSAGE_FIELDS },
  { name: 'Messages: count tokens', route: '/v1/messages/count_tokens', fields: COUNT_FIELDS },
];
