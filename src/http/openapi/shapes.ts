/**
 * What routes take and answer with, as schemas by name: the components of /openapi.json. Fields may be added to any
 * answer.
 */
import { z } from 'zod';

import { type FieldTable, fieldRows } from '../protocol/fields.js';
import { type Protocol, PROTOCOLS } from '../protocols.js';
import { OPENAI } from '../wire/failure.js';
import { bool, int, object, seconds, text } from './basics.js';
import { RECORDS } from './records.js';

const Model = z.object({
  id: text,
  object: z.literal('model'),
  created: seconds,
  owned_by: text,
  policy_version: int.optional().describe("Absent for an upstream's model."),
});

const InputItem = z.looseObject({ id: text, type: text, status: text });

const Part = z.object({ part: text, ready: bool, needed: bool.optional(), detail: text.optional() });

/** Bodies, by the names /openapi.json has for them. */
export const SHAPES = {
  ...Object.fromEntries(PROTOCOLS.map((protocol) => [requestName(protocol), requestSchema(protocol.fields)])),
  ...Object.fromEntries(PROTOCOLS.map(({ operation: { reply } }) => [reply.name, reply.schema])),
  Model,
  ModelList: z.object({ object: z.literal('list'), data: z.array(Model) }),
  DeletedResponse: z.object({ id: text, object: z.literal('response.deleted'), deleted: z.literal(true) }),
  InputItemList: z.object({
    object: z.literal('list'),
    data: z.array(InputItem),
    first_id: text.nullable(),
    last_id: text.nullable(),
    has_more: bool,
  }),
  Health: z.object({
    status: z.literal('ok'),
    version: text,
    policy_version: int,
    uptime_seconds: int,
    in_flight: int,
    log_failures: int,
    log: z.object({
      state: z.enum(['ok', 'waiting']),
      uncommitted: z.object({ answers: int, bytes: int }),
      waiting_since: text.nullable(),
      reason: text.nullable(),
      wal_bytes: int,
    }),
  }),
  Ready: z.object({ ready: bool, waiting_for: z.array(text), parts: z.array(Part) }),
  OpenApi: object,
  Relayed: z.looseObject({ model: text.describe("A model of an upstream's. In a form it is the part of that name.") }),
  RelayedReply: object,
  ...RECORDS,
  Error: OPENAI.body.schema,
  ...Object.fromEntries(PROTOCOLS.map(({ errors: { body } }) => [body.name, body.schema])),
} satisfies Record<string, z.ZodType>;

/** The name of a protocol's request body, e.g. `ChatCompletionsRequest`. */
export function requestName({ name }: Protocol): string {
  return `${name.replaceAll(' ', '')}Request`;
}

/**
 * The body of a request as its table of fields has it. Null means the same as leaving a field out, also for one that is
 * refused.
 */
function requestSchema(table: FieldTable): z.ZodType {
  return z.strictObject(
    Object.fromEntries(
      fieldRows(table).map(({ field, schema, treatment, note }) => {
        if (schema === undefined) return [field, z.null().optional().describe(`Not supported. ${note}`)];
        if (table.required.includes(field)) return [field, schema];
        if (treatment === 'supported') return [field, note === '' ? schema.nullish() : described(schema, note)];
        if (treatment === 'refused') return [field, described(schema, `Not supported but for this. ${note}`)];
        return [field, described(schema, `${treatment === 'forwarded' ? 'Sent on' : 'Ignored'}: ${note}.`)];
      }),
    ),
  );
}

function described(schema: z.ZodType, says: string): z.ZodType {
  return schema.nullish().describe(says);
}
