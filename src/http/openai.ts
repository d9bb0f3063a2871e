/**
 * A chat completion request out of untrusted JSON: every field checked against the table, its meaning in the core's
 * words.
 */
import { z } from 'zod';

import { badRequest, type GyreError } from '../core/errors.js';
import type { Message } from '../core/message.js';
import { nearest } from '../core/nearest.js';
import type { Sampling } from '../core/policy.js';
import type { LimitField } from '../core/serving.js';
import { CHAT_FIELDS, type FieldsOf, type FieldTable, type Schemas } from './fields.js';
import { toMessage } from './messages.js';

type Fields = FieldsOf<typeof CHAT_FIELDS.supported>;

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly toolEvents: boolean;
  readonly tools: NonNullable<Fields['tools']>;
  readonly toolChoice: NonNullable<Fields['tool_choice']> | undefined;
  readonly parallelToolCalls: boolean | undefined;
  readonly n: number;
  /** Alternatives per token; undefined when no logprobs were asked for. */
  readonly topLogprobs: number | undefined;
  readonly tokenIds: boolean;
  readonly sampling: Sampling;
  /** The client's own word for the bound of an action; `max_tokens` where it has none. */
  readonly limitField?: LimitField;
  readonly forwarded: Readonly<Record<string, unknown>> | undefined;
  /** Bound of the tool calls of this answer, under the gateway's own. */
  readonly maxToolCalls?: number;
  readonly store: boolean;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/** Throws 400 that names the field. */
export function parseChat(raw: unknown): ChatRequest {
  const { fields, forwarded } = readFields(raw, CHAT_FIELDS);
  const { model, messages } = fields;
  if (model === undefined)
    throw badRequest(
      '"model" is missing. GET /v1/models lists the models there are.',
      'model',
      'missing_required_parameter',
    );
  if (messages === undefined)
    throw badRequest(
      '"messages" is missing: send a list with at least one message.',
      'messages',
      'missing_required_parameter',
    );
  const stream = fields.stream ?? false;
  if (fields.stream_options !== undefined && !stream)
    throw badRequest('"stream_options" is only allowed with "stream": true.', 'stream_options');
  if ((fields.top_logprobs ?? 0) > 0 && fields.logprobs !== true)
    throw badRequest('"top_logprobs" is only allowed with "logprobs": true.', 'top_logprobs');
  return {
    model,
    messages: messages.map(toMessage),
    stream,
    includeUsage: fields.stream_options?.include_usage ?? false,
    toolEvents: fields.stream_options?.include_tool_events ?? false,
    tools: fields.tools ?? [],
    toolChoice: fields.tool_choice,
    parallelToolCalls: fields.parallel_tool_calls,
    n: fields.n ?? 1,
    topLogprobs: fields.logprobs === true ? (fields.top_logprobs ?? 0) : undefined,
    tokenIds: fields.return_token_ids ?? false,
    sampling: samplingOf(fields),
    ...(fields.max_completion_tokens === undefined ? {} : { limitField: 'max_completion_tokens' as const }),
    forwarded,
    store: fields.store ?? true,
    metadata: fields.metadata,
  };
}

const SAMPLING = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'min_tokens',
  'seed',
  'stop',
  'logit_bias',
  'ignore_eos',
] as const satisfies readonly (keyof Fields & keyof Sampling)[];

/** Fields of sampling as chat names them; other protocols' are renamed to them. */
type Drawn = {
  readonly [K in (typeof SAMPLING)[number] | 'max_tokens' | 'max_completion_tokens']?: Fields[K] | undefined;
};

export function samplingOf(fields: Drawn): Sampling {
  const sampling: Record<string, unknown> = {};
  for (const name of SAMPLING) if (fields[name] !== undefined) sampling[name] = fields[name];
  const limit = Math.min(fields.max_tokens ?? Infinity, fields.max_completion_tokens ?? Infinity);
  if (limit !== Infinity) sampling['max_tokens'] = limit;
  return sampling;
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
    throw badRequest(`The body must be a JSON object, not ${quote(raw)}.`, undefined, 'invalid_type');
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

/** Most conversations are words by someone, and need no schema to be told so. */
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
    `Unknown parameter ${quote(name)}. Did you mean "${known}"?`,
    name.slice(0, 100),
    'unknown_parameter',
  );
}

/** A zod error as a 400 on the field at fault, with the value it had. */
export function invalid(error: z.ZodError, prefix: readonly PropertyKey[], value: unknown): GyreError {
  const issue = deepest(error.issues[0]);
  if (issue === undefined) return badRequest(error.message, prefix.map(String).join('.'));
  const found = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
  const path = [...prefix, ...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])]
    .map(String)
    .join('.');
  if (issue.code === 'unrecognized_keys') return badRequest(`Unknown parameter "${path}".`, path, 'unknown_parameter');
  return badRequest(
    `Invalid value for "${path}": ${issue.message} (it is ${quote(found)}).`,
    path,
    issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value',
  );
}

/** Of a union that matched nothing, the issue of the option that came furthest says the most. */
function deepest(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const candidates = issue.errors.map((list) => deepest(list[0])).filter((inner) => inner !== undefined);
  const best = candidates.reduce<z.core.$ZodIssue | undefined>(
    (far, inner) => (far === undefined || inner.path.length > far.path.length ? inner : far),
    undefined,
  );
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] };
}

function quote(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
