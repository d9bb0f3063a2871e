/** A protocol's table of fields, and a request's fields checked against it. What is not in it is refused by name. */
import { z } from 'zod';

import { excerpt, faultOf } from '../../core/check.js';
import { badRequest, type GyreError } from '../../core/errors.js';
import { safelyParsed } from './large.js';
import { meantBy } from './other_names.js';

/** The name of a client's function; protocols differ in how long it may be. */
export function toolName(longest: number): z.ZodString {
  return z
    .string()
    .regex(new RegExp(`^[a-zA-Z0-9_-]{1,${longest}}$`), `must be 1 to ${longest} letters, digits, "_" or "-"`);
}

/** What a request has with it in the log, of whichever values. */
export function metadataOf<T extends z.ZodType>(value: T): z.ZodRecord<z.ZodString, T> {
  return z
    .record(z.string().max(64), value)
    .refine((entries) => Object.keys(entries).length <= 16, 'has more than 16 keys');
}
export const MetadataText = z.string().max(512);

/**
 * Why a field is refused, and where some values of it change nothing, those: with one of them it is accepted without
 * effect.
 */
export type Refusal = string | { readonly reason: string; readonly unless: z.ZodType };

export type Schemas = Readonly<Record<string, z.ZodType>>;

/** What becomes of each field of a protocol's request. */
export interface FieldTable<S extends Schemas = Schemas> {
  readonly supported: S;
  /** Those of `supported` that have no effect but to be given back in the answer. */
  readonly echoed?: readonly string[] | undefined;
  readonly forwarded: Schemas;
  readonly ignored: Schemas;
  /** Only what would change the answer without the client knowing. */
  readonly refused: Readonly<Record<string, Refusal>>;
  /** What is to be known of a field besides what becomes of it. */
  readonly notes?: Readonly<Record<string, string>> | undefined;
  /** Fields without which a request says nothing. */
  readonly required: readonly string[];
}

type Treatment = 'supported' | 'forwarded' | 'ignored' | 'refused';

export interface FieldRow {
  readonly field: string;
  readonly treatment: Treatment;
  readonly note: string;
  /** What it may hold; absent for a field that is refused whatever it holds. */
  readonly schema?: z.ZodType | undefined;
}

const ECHOED = 'accepted without effect, and given back in the answer';

/** A table field by field. */
export function fieldRows(table: FieldTable): readonly FieldRow[] {
  const { supported, echoed = [], forwarded, ignored, refused, notes = {} } = table;
  const rows = (fields: Readonly<Record<string, z.ZodType>>, treatment: Treatment, note: string): FieldRow[] =>
    Object.entries(fields).map(([field, schema]) => ({
      field,
      treatment,
      note: [note, notes[field] ?? ''].filter((part) => part !== '').join('; '),
      schema,
    }));
  return [
    ...rows(supported, 'supported', '').map((row) =>
      echoed.includes(row.field) ? { ...row, treatment: 'ignored' as const, note: ECHOED } : row,
    ),
    ...rows(forwarded, 'forwarded', 'to the engine, unchanged'),
    ...rows(ignored, 'ignored', 'accepted without effect'),
    ...Object.entries(refused).map(([field, refusal]): FieldRow => ({
      field,
      treatment: 'refused',
      note: reasonOf(refusal),
      schema: typeof refusal === 'string' ? undefined : refusal.unless,
    })),
  ];
}

/** Why a field is refused. */
export function reasonOf(refusal: Refusal): string {
  return typeof refusal === 'string' ? refusal : refusal.reason;
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
    } else if (!Object.hasOwn(table.refused, name)) throw unknown(name, table);
    else if (value !== null) refuse(name, table.refused[name] ?? '', value);
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
  const result = safelyParsed(schema, value);
  if (result.success) return result.data;
  throw invalid(result.error, [name], value);
}

/** Throws unless the value changes nothing. */
function refuse(name: string, refusal: Refusal, value: unknown): void {
  if (typeof refusal !== 'string' && safelyParsed(refusal.unless, value).success) return;
  throw badRequest(`The parameter "${name}" is not supported. ${reasonOf(refusal)}`, name, 'unsupported_parameter');
}

function unknown(name: string, { supported, forwarded, ignored }: FieldTable): GyreError {
  const known = meantBy(
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
