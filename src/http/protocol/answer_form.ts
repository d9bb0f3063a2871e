/**
 * The form a request wants its answer in, checked before anything is asked: the policy may call tools before an answer
 * is to keep to it, and would have run them for an answer that no engine can give. What forms another server has is
 * its own affair; a schema that is none is one nowhere.
 */
import type { ErrorObject } from 'ajv';

import { badRequest, type GyreError, quoted } from '../../core/errors.js';
import type { Source } from '../../core/serving.js';
import { isObject, writeJson } from '../../core/text/json.js';
import type { AnswerRequest } from './request.js';

/** The forms our engine has. */
const FORMS = ['text', 'json_object', 'json_schema', 'structural_tag'];
/** Of a `$ref` within the document. */
const LOCAL = /^#(?:\/|$)/;
const DEEPEST = 256;

interface Draft {
  validateSchema(schema: object): unknown;
  readonly errors?: readonly ErrorObject[] | null | undefined;
}

/** Throws 400 that names the fault. */
export async function checkForm(
  { forwarded, formField = 'response_format' }: Pick<AnswerRequest, 'forwarded' | 'formField'>,
  { kind }: Source,
): Promise<void> {
  if (forwarded === undefined) return;
  const { response_format: format, structured_outputs: structured } = forwarded;
  if (isObject(format)) {
    const { type, json_schema: named } = format;
    if (kind === 'policy' && !FORMS.includes(String(type)))
      throw badRequest(
        `"${formField}.type" must be one of ${FORMS.join(', ')}, not ${quoted(String(type))}.`,
        formField,
      );
    if (kind === 'policy' && type === 'json_schema' && !isObject(named))
      throw badRequest(`"${formField}.json_schema" must be an object with the "schema".`, formField);
    if (type === 'json_schema' && isObject(named) && named['schema'] !== undefined)
      await checkSchema(named['schema'], formField);
  }
  if (isObject(structured) && structured['json'] !== undefined && structured['json'] !== null)
    await checkSchema(schemaIn(structured['json']), 'structured_outputs.json');
}

/** vLLM takes a schema as a text too. */
function schemaIn(json: unknown): unknown {
  if (typeof json !== 'string') return json;
  try {
    return JSON.parse(json);
  } catch (thrown) {
    throw invalid('structured_outputs.json', `it is no JSON (${String(thrown)})`);
  }
}

async function checkSchema(schema: unknown, field: string): Promise<void> {
  if (schema !== true && !isObject(schema)) throw invalid(field, `it must be an object, not ${quoted(schema)}`);
  // With numbers as every JSON library has them.
  const plain: unknown = JSON.parse(writeJson(schema));
  const fault = faultOf(plain, await drafts()) ?? lostReference(plain, plain);
  if (fault !== undefined) throw invalid(field, fault);
}

function invalid(field: string, fault: string): GyreError {
  return badRequest(`The schema in "${field}" is not valid: ${fault}.`, field, 'invalid_json_schema');
}

/** A schema is of whichever draft it keeps to; the fault is told by the newest. */
function faultOf(schema: unknown, validators: readonly Draft[]): string | undefined {
  let fault: string | undefined;
  for (const ajv of validators) {
    if (isObject(schema) && '$schema' in schema) {
      const { $schema: _, ...rest } = schema;
      schema = rest;
    }
    if (ajv.validateSchema(schema as object) === true) return undefined;
    fault ??= told(deepest(ajv.errors ?? []), schema);
  }
  return fault;
}

/** Of the options of a union each says what is wrong: the one that got furthest was meant. */
function deepest(errors: readonly ErrorObject[]): ErrorObject | undefined {
  const depth = ({ instancePath }: ErrorObject): number => instancePath.split('/').length;
  return errors.reduce<ErrorObject | undefined>(
    (far, error) => (far === undefined || depth(error) > depth(far) ? error : far),
    undefined,
  );
}

function told(error: ErrorObject | undefined, schema: unknown): string {
  if (error === undefined) return 'it is no JSON schema';
  const { instancePath: path, message = 'is wrong', params } = error;
  const allowed = (params as { readonly allowedValues?: readonly unknown[] }).allowedValues;
  const among = allowed === undefined ? '' : ` (${allowed.join(', ')})`;
  return `${path === '' ? 'it' : `"${path}"`} ${message}${among}, and is ${quoted(at(schema, path))}`;
}

function at(root: unknown, pointer: string): unknown {
  return pointer
    .replace(/^#/, '')
    .split('/')
    .slice(1)
    .map((part) => decoded(part).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((inner, part) => (inner as Record<string, unknown> | null | undefined)?.[part], root);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What stands there is a value and no schema. */
const VALUES = new Set(['const', 'enum', 'default', 'examples']);

/** A schema with an `$id` of its own is a document of its own. */
function lostReference(value: unknown, within: unknown, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return undefined;
  const { $ref: pointer, $id: id } = value as { readonly $ref?: unknown; readonly $id?: unknown };
  const root = typeof id === 'string' ? value : within;
  if (typeof pointer === 'string' && LOCAL.test(pointer) && at(root, pointer) === undefined)
    return `its "$ref" ${quoted(pointer)} leads nowhere`;
  for (const [name, inner] of Object.entries(value)) {
    const fault = VALUES.has(name) ? undefined : lostReference(inner, root, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

let loaded: Promise<readonly Draft[]> | undefined;

/** Loaded with the first schema: few requests have one. */
function drafts(): Promise<readonly Draft[]> {
  return (loaded ??= Promise.all([import('ajv/dist/2020.js'), import('ajv')]).then(([newest, older]) => {
    const options = { strict: false, validateFormats: false, logger: false } as const;
    return [new newest.Ajv2020(options), new older.Ajv(options)];
  }));
}
