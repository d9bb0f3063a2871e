/** A protocol's table of fields, and a request's fields checked against it. What is not in it is refused by name. */
import { z } from 'zod';

import { excerpt, faultOf } from '../../core/check.js';
import { badRequest, type GyreError } from '../../core/errors.js';
import { nearest } from '../../core/text/nearest.js';

export const FunctionName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" or "-"');

export type Schemas = Readonly<Record<string, z.ZodType>>;

/** What becomes of each field of a protocol's request. */
export interface FieldTable<S extends Schemas = Schemas> {
  readonly supported: S;
  /** Those of `supported` that have no effect but to be given back in the answer. */
  readonly echoed?: readonly string[] | undefined;
  readonly forwarded: Schemas;
  readonly ignored: Schemas;
  /** With the reason. */
  readonly refused: Readonly<Record<string, string>>;
  /** Fields without which a request says nothing. */
  readonly required: readonly string[];
}

type Treatment = 'supported' | 'forwarded' | 'ignored' | 'refused';

export interface FieldRow {
  readonly field: string;
  readonly treatment: Treatment;
  readonly note: string;
  /** What it may hold; absent for a field that is refused. */
  readonly schema?: z.ZodType | undefined;
}

const ECHOED = 'accepted without effect, and given back in the answer';

/** A table field by field. */
export function fieldRows({ supported, echoed = [], forwarded, ignored, refused }: FieldTable): readonly FieldRow[] {
  const rows = (fields: Readonly<Record<string, z.ZodType>>, treatment: Treatment, note: string): FieldRow[] =>
    Object.entries(fields).map(([field, schema]) => ({ field, treatment, note, schema }));
  return [
    ...rows(supported, 'supported', '').map((row) =>
      echoed.includes(row.field) ? { ...row, treatment: 'ignored' as const, note: ECHOED } : row,
    ),
    ...rows(forwarded, 'forwarded', 'to the engine, unchanged'),
    ...rows(ignored, 'ignored', 'accepted without effect'),
    ...Object.entries(refused).map(([field, note]): FieldRow => ({ field, treatment: 'refused', note })),
  ];
}

export type FieldsOf<S extends Schemas> = { readonly [K in keyof S]?: z.infer<S[K]> };

/** A field without which a request says nothing. Throws 400 that names it where absent; `mend` says what to do. */
export function requiredField<T>(value: T | undefined, name: string, mend: string): T {
  if (value === undefined) throw badRequest(`"${name}" is missing${mend}`, name, 'missing_required_parameter');
  return value;
}

/** {@link requiredField} of `model`, which every protocol has. */
export function requiredModel(model: string | undefined): string {
  return requiredField(model, 'model', '. GET /v1/models lists the models there are.');
}

/**
 * Only the fields that are there are checked, so a short request costs little whatever the table holds. Throws 400 that
 * names the field.
 */
export function readFields<S extends Schemas>(
  raw: unknown,
  table: FieldTable<S>,
): { readonly fields: FieldsOf<S>; readonly forwarded: Readonly<Record<string, unknown>> | undefined } {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw badRequest(`The body must be a JSON object, not ${excerpt(raw)}.`, undefined, 'invalid_type');
  const fields: Record<string, unknown> = {};
  let forwarded: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(raw)) {
    if (Object.hasOwn(table.supported, name)) {
      if (value !== null)
        fields[name] =
          name === 'messages' && arePlain(value) ? value : checked(table.supported[name] ?? z.unknown(), name, value);
    } else if (Object.hasOwn(table.forwarded, name)) {
      if (value !== null) (forwarded ??= {})[name] = checked(table.forwarded[name] ?? z.unknown(), name, value);
    } else if (Object.hasOwn(table.ignored, name)) {
      if (value !== null) checked(table.ignored[name] ?? z.unknown(), name, value);
    } else if (value !== null || !Object.hasOwn(table.refused, name)) throw refusal(name, table);
  }
  return { fields: fields as FieldsOf<S>, forwarded };
}

/** Whether every message is a role with a text and nothing else, as most are: the schema takes longer to say so. */
function arePlain(messages: unknown): boolean {
  return (
    Array.isArray(messages) &&
    messages.length > 0 &&
    messages.every((message: unknown) => {
      if (typeof message !== 'object' || message === null) return false;
      const { role, content } = message as { readonly role?: unknown; readonly content?: unknown };
      return (
        typeof content === 'string' &&
        (role === 'user' || role === 'system' || role === 'assistant') &&
        Object.keys(message).length === 2
      );
    })
  );
}

function checked(schema: z.ZodType, name: string, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalid(result.error, [name], value);
}

function refusal(name: string, { supported, forwarded, ignored, refused }: FieldTable): GyreError {
  const reason = refused[name];
  if (reason !== undefined && Object.hasOwn(refused, name))
    return badRequest(`The parameter "${name}" is not supported. ${reason}`, name, 'unsupported_parameter');
  const known = nearest(
    name.slice(0, 100),
    [supported, forwarded, ignored].flatMap((part) => Object.keys(part)),
  );
  return badRequest(
    `Unknown parameter ${excerpt(name)}. Did you mean "${known}"?`,
    name.slice(0, 100),
    'unknown_parameter',
  );
}

/** A failed check as a 400 on the field at fault, with the value it had. */
export function invalid(error: z.ZodError, prefix: readonly PropertyKey[], value: unknown): GyreError {
  const { path, code, says } = faultOf(error, value);
  const field = [...prefix, ...path].map(String).join('.');
  if (code === 'unrecognized_keys') return badRequest(`Unknown parameter "${field}".`, field, 'unknown_parameter');
  return badRequest(
    `Invalid value for "${field}": ${says}.`,
    field,
    code === 'invalid_type' ? 'invalid_type' : 'invalid_value',
  );
}
