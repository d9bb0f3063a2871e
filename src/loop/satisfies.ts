/**
 * Whether a value keeps to a JSON schema, for the keywords that clients' libraries write. It never errs on the side of
 * yes: a keyword that is not known here, or a pattern, which may take for ever to match, is answered with no.
 */
import { isObject } from '../core/text/json.js';
import { isDeepStrictEqual } from 'node:util';

type Fields = Readonly<Record<string, unknown>>;

/** They say nothing about the value. */
const NOTES = new Set([
  'title',
  'description',
  'default',
  'examples',
  '$schema',
  '$id',
  '$defs',
  'definitions',
  '$comment',
]);
const DEEPEST = 64;

export function satisfies(value: unknown, schema: unknown): boolean {
  return keeps(value, schema, schema, 0);
}

function keeps(value: unknown, schema: unknown, root: unknown, depth: number): boolean {
  if (schema === true) return true;
  if (!isObject(schema) || depth > DEEPEST) return false;
  const within = (inner: unknown, its: unknown): boolean => keeps(inner, its, root, depth + 1);
  return Object.entries(schema).every(([keyword, said]) => {
    if (NOTES.has(keyword)) return true;
    switch (keyword) {
      case 'type':
        return listed(said).some((name) => isOfType(value, name));
      case 'enum':
        return listed(said).some((one) => isDeepStrictEqual(one, value));
      case 'const':
        return isDeepStrictEqual(said, value);
      case '$ref':
        return typeof said === 'string' && within(value, referred(root, said));
      case 'anyOf':
        return listed(said).some((one) => within(value, one));
      case 'allOf':
        return listed(said).every((one) => within(value, one));
      case 'oneOf':
        return listed(said).filter((one) => within(value, one)).length === 1;
      case 'properties':
        return (
          !isObject(value) ||
          (isObject(said) && Object.entries(said).every(([name, its]) => !has(value, name) || within(value[name], its)))
        );
      case 'required':
        return !isObject(value) || listed(said).every((name) => typeof name === 'string' && has(value, name));
      case 'additionalProperties': {
        const known = isObject(schema['properties']) ? schema['properties'] : {};
        return !isObject(value) || Object.entries(value).every(([name, its]) => has(known, name) || within(its, said));
      }
      case 'items':
        return !Array.isArray(value) || value.every((one) => within(one, said));
      case 'minItems':
        return !Array.isArray(value) || atLeast(value.length, said);
      case 'maxItems':
        return !Array.isArray(value) || atLeast(said, value.length);
      case 'minLength':
        return typeof value !== 'string' || atLeast(Array.from(value).length, said);
      case 'maxLength':
        return typeof value !== 'string' || atLeast(said, Array.from(value).length);
      case 'minimum':
        return typeof value !== 'number' || atLeast(value, said);
      case 'maximum':
        return typeof value !== 'number' || atLeast(said, value);
      case 'exclusiveMinimum':
        return typeof value !== 'number' || (typeof said === 'number' && value > said);
      case 'exclusiveMaximum':
        return typeof value !== 'number' || (typeof said === 'number' && value < said);
      default:
        return false;
    }
  });
}

function isOfType(value: unknown, name: unknown): boolean {
  switch (name) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'null':
      return value === null;
    case 'integer':
      return Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === name;
    default:
      return false;
  }
}

/** Within the same document, as `#/$defs/name`. */
function referred(root: unknown, pointer: string): unknown {
  if (pointer === '#') return root;
  if (!pointer.startsWith('#/')) return undefined;
  return pointer
    .slice(2)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((at, part) => (isObject(at) && has(at, part) ? at[part] : undefined), root);
}

function atLeast(larger: unknown, smaller: unknown): boolean {
  return typeof larger === 'number' && typeof smaller === 'number' && larger >= smaller;
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function has(fields: Fields, name: string): boolean {
  return Object.hasOwn(fields, name);
}
