/**
 * What a server says in fields of its own (reasoning under many names, signatures of thoughts), put together from
 * deltas under the names it has there, so that a turn can be sent back as it came. Nothing here is understood.
 */

import { isObject, writeJson } from '../../core/text/json.js';

export type OwnFields = Record<string, unknown>;

/** Fields that are read, each in its own way. */
const READ = new Set(['role', 'content', 'tool_calls', 'function_call', 'refusal', 'name', 'parsed']);
/** Fields that are passed on to the client, and say nothing to the server that wrote them. */
const SHOWN = new Set(['annotations', 'citations', 'search_results', 'images', 'audio']);
/** Text that comes in pieces; any other text is a name or a signature, and whole. */
const IN_PIECES = /(^|_)(reasoning|thinking|thoughts?|content|text|summary|plan)$/;

/**
 * Adds what one delta of a message has; returns the size of it, in characters. `whole` says that it is no delta, so
 * that its lists are as they are to be.
 */
export function addMessageFields(into: OwnFields, delta: object, whole: boolean): number {
  let size = 0;
  for (const [name, value] of Object.entries(delta))
    if (!READ.has(name) && !SHOWN.has(name)) size += add(into, name, value, whole);
  return size;
}

/** Adds what one delta of a call has beside its function; returns the size of it. */
export function addCallFields(into: OwnFields, delta: object): number {
  let size = 0;
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'function') {
      const { name: _name, arguments: _arguments, ...rest } = (value ?? {}) as OwnFields;
      if (Object.keys(rest).length > 0) size += add(into, name, rest, false);
    } else if (name !== 'index' && name !== 'id' && name !== 'type') size += add(into, name, value, false);
  }
  return size;
}

/** Adds parts to a list of content: pieces of one text, or of one thought, become one part. */
export function addParts(into: OwnFields[], parts: readonly unknown[], whole: boolean): number {
  let size = 0;
  for (const part of parts) {
    if (typeof part !== 'object' || part === null) continue;
    const last = into.at(-1);
    const piece = part as OwnFields;
    const target = whole || last === undefined || !goesOn(last, piece) ? {} : last;
    if (target !== last) into.push(target);
    for (const [name, value] of Object.entries(piece)) size += add(target, name, value, whole);
  }
  return size;
}

function add(into: OwnFields, name: string, value: unknown, whole: boolean): number {
  if (value === null || value === undefined || name === '__proto__') return 0;
  const before = into[name];
  if (typeof value === 'string') {
    into[name] = typeof before === 'string' && IN_PIECES.test(name) ? before + value : value;
    return value.length;
  }
  if (Array.isArray(value)) {
    const list = Array.isArray(before) ? (before as OwnFields[]) : [];
    into[name] = list;
    if (value.every((item) => typeof item === 'object')) return addParts(list, value, whole);
    for (const each of value as OwnFields[]) list.push(each);
    return writeJson(value).length;
  }
  if (typeof value !== 'object') {
    into[name] = value;
    return 8;
  }
  const inner: OwnFields = isObject(before) ? before : {};
  into[name] = inner;
  return Object.entries(value).reduce((size, [key, field]) => size + add(inner, key, field, whole), 0);
}

/** A signature closes a thought; what is encrypted comes whole. */
function goesOn(last: OwnFields, piece: OwnFields): boolean {
  return (
    last['type'] === piece['type'] &&
    last['index'] === piece['index'] &&
    (last['id'] === undefined || piece['id'] === undefined || last['id'] === piece['id']) &&
    typeof (last['signature'] ?? '') === 'string' &&
    (last['signature'] ?? '') === '' &&
    ![last, piece].some((part) => 'data' in part || 'url' in part || 'image_url' in part)
  );
}
