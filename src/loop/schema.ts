/**
 * The form a client wants its answer in, where the policy may also call tools. An engine that is given both masks every
 * token by the schema, so that no call could ever be sampled: the policy is asked without it until it answers, and an
 * answer that does not keep to the schema is asked for once more with it.
 */
import { isObject } from '../core/text/json.js';
import type { LoopRequest } from './events.js';
import { satisfies } from './satisfies.js';

type Fields = Readonly<Record<string, unknown>>;

export interface Schema {
  /** The request's forwarded fields without those that constrain the answer. */
  readonly without: Fields | undefined;
  /**
   * The answer in it that keeps to the form: the text itself, or what alone is in the code block that it is. Undefined
   * also where it cannot be told.
   */
  answerIn(text: string): string | undefined;
}

type Keeps = (text: string) => boolean;

/** As models write JSON that they were asked for in words. */
const BLOCK = /^\s*```(?:json)?[^\S\n]*\n((?:(?!```)[^])*?)\n?[^\S\n]*```\s*$/i;

/**
 * The schema of a request whose calls it would prevent; undefined where there is none. An upstream is given both where
 * the tools are its client's alone: what it makes of that is its own affair, and the answer is streamed as it comes.
 */
export function schemaOf(request: LoopRequest): Schema | undefined {
  const { forwarded, serverTools, clientTools, toolChoice, policyVersion } = request;
  if (forwarded === undefined || toolChoice === 'none') return undefined;
  if (serverTools.size === 0 && (clientTools.length === 0 || policyVersion === undefined)) return undefined;
  const { response_format: format, structured_outputs: structured, ...without } = forwarded;
  const form = formOf(format, structured);
  if (form === undefined) return undefined;
  return {
    without: Object.keys(without).length === 0 ? undefined : without,
    answerIn(text) {
      if (form(text)) return text;
      // Its tokens would not be those of the answer.
      const inner = request.tokensShown === true ? undefined : BLOCK.exec(text)?.[1];
      return inner !== undefined && form(inner) ? inner : undefined;
    },
  };
}

/** How to tell whether a text keeps to the form; undefined where none is asked for. */
function formOf(format: unknown, structured: unknown): Keeps | undefined {
  if (isObject(structured)) {
    if ('json' in structured) return (text) => keepsTo(schemaValue(structured['json']), text);
    if (structured['json_object'] === true) return isJsonObject;
    const { choice } = structured;
    if (Array.isArray(choice)) return (text) => choice.includes(text);
    return () => false;
  }
  if (!isObject(format)) return undefined;
  switch (format['type']) {
    case 'text':
      return undefined;
    case 'json_object':
      return isJsonObject;
    case 'json_schema': {
      const schema = isObject(format['json_schema']) ? format['json_schema']['schema'] : undefined;
      return (text) => keepsTo(schema, text);
    }
    default:
      return () => false;
  }
}

function isJsonObject(text: string): boolean {
  return isObject(parsed(text));
}

function keepsTo(schema: unknown, text: string): boolean {
  const value = parsed(text);
  return value !== undefined && satisfies(value, schema);
}

/** vLLM takes the schema as a text too. */
function schemaValue(schema: unknown): unknown {
  return typeof schema === 'string' ? parsed(schema) : schema;
}

/** Undefined where it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
