/**
 * The protocols a client may speak, each with the table of its request fields. The documentation and /openapi.json are
 * made from this list, so a protocol that is not in it is in neither.
 */
import type { z } from 'zod';

import { CHAT_FIELDS } from '../chat/fields.js';
import { COUNT_FIELDS, MESSAGE_FIELDS } from '../messages/fields.js';
import type { FieldTable } from '../protocol/fields.js';
import { RESPONSE_FIELDS } from '../responses/fields.js';

export interface Protocol {
  readonly name: string;
  readonly path: string;
  readonly fields: FieldTable;
  /** Fields without which a request says nothing. */
  readonly required: readonly string[];
}

export const PROTOCOLS: readonly Protocol[] = [
  { name: 'Chat Completions', path: '/v1/chat/completions', fields: CHAT_FIELDS, required: ['model', 'messages'] },
  { name: 'Responses', path: '/v1/responses', fields: RESPONSE_FIELDS, required: ['model', 'input'] },
  { name: 'Messages', path: '/v1/messages', fields: MESSAGE_FIELDS, required: ['model', 'messages', 'max_tokens'] },
  {
    name: 'Messages Count Tokens',
    path: '/v1/messages/count_tokens',
    fields: COUNT_FIELDS,
    required: ['model', 'messages'],
  },
];

type Treatment = 'supported' | 'forwarded' | 'ignored' | 'refused';

export interface FieldRow {
  readonly field: string;
  readonly treatment: Treatment;
  readonly note: string;
  /** What it may hold; absent for a field that is refused. */
  readonly schema?: z.ZodType | undefined;
}

/** A table field by field. */
export function fieldRows({ supported, forwarded, ignored, refused }: FieldTable): readonly FieldRow[] {
  const rows = (fields: Readonly<Record<string, z.ZodType>>, treatment: Treatment, note: string): FieldRow[] =>
    Object.entries(fields).map(([field, schema]) => ({ field, treatment, note, schema }));
  return [
    ...rows(supported, 'supported', ''),
    ...rows(forwarded, 'forwarded', 'to the engine, unchanged'),
    ...rows(ignored, 'ignored', 'accepted without effect'),
    ...Object.entries(refused).map(([field, note]): FieldRow => ({ field, treatment: 'refused', note })),
  ];
}
