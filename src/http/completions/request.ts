/**
 * A completion request out of untrusted JSON: raw prompts, each of which the log has as a message of a kind of its own,
 * so that no conversation is ever taken for its continuation.
 */
import { badRequest, quoted } from '../../core/errors.js';
import { type Message, RAW_PROMPT } from '../../core/message.js';
import type { RawPrompt, RawPrompts } from '../../core/policy.js';
import { COMPLETION_FIELDS, MAX_PROMPTS, MAX_TOKEN_ID } from './fields.js';
import { checkBestOf } from '../protocol/engine_fields.js';
import { readFields, requiredField, requiredModel } from '../protocol/fields.js';
import { type AnswerRequest, samplingOf } from '../protocol/request.js';

export interface CompletionRequest extends AnswerRequest {
  readonly raw: RawPrompts;
  /** The usage so far, in every chunk of a stream. */
  readonly continuousUsage: boolean;
}

/** Throws 400 that names the field. */
export function parseCompletion(raw: unknown): CompletionRequest {
  if (typeof raw === 'object' && raw !== null && 'prompt' in raw && raw.prompt !== null) checkPrompt(raw.prompt);
  const { fields, forwarded } = readFields(raw, COMPLETION_FIELDS);
  const model = requiredModel(fields.model);
  const list = promptsOf(requiredField(fields.prompt, 'prompt', ': send a text, token ids, or a list of either.'));
  const stream = fields.stream ?? false;
  const streamed = stream ? fields.stream_options : undefined;
  const n = fields.n ?? 1;
  const echo = fields.echo ?? false;
  if (list.length * n > MAX_PROMPTS)
    throw badRequest(`${list.length} prompts and "n" ${n} are more than ${MAX_PROMPTS} answers.`, 'n');
  if (fields.max_tokens === 0 && !echo)
    throw badRequest('"max_tokens" may be 0 only with "echo": true: nothing would be answered.', 'max_tokens');
  checkBestOf(fields.best_of, n);
  const byEngine =
    fields.logprobs !== undefined || fields.max_tokens === 0 || list.some((each) => typeof each !== 'string');
  return {
    model,
    raw: { list, echo: !echo ? 'none' : byEngine ? 'engine' : 'gateway' },
    messages: list.map(messageOf),
    stream,
    includeUsage: streamed?.include_usage ?? false,
    continuousUsage: streamed?.continuous_usage_stats ?? false,
    toolEvents: false,
    tools: [],
    toolChoice: 'none',
    parallelToolCalls: undefined,
    n,
    topLogprobs: fields.logprobs,
    tokenIds: fields.return_token_ids ?? false,
    sampling: samplingOf(fields),
    limitField: 'max_tokens',
    forwarded,
    store: fields.store ?? true,
    metadata: fields.metadata,
  };
}

/** Of a value that may have four forms a schema cannot say in which of them it is wrong. Throws 400 that does. */
function checkPrompt(prompt: unknown): void {
  if (typeof prompt === 'string') return;
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw wrong('prompt', prompt, 'send a text, token ids, or a list of either');
  const list = prompt as readonly unknown[];
  const [first] = list;
  if (typeof first === 'number' || typeof first === 'bigint') return checkIds(list, 'prompt');
  if (list.length > MAX_PROMPTS)
    throw badRequest(
      `"prompt" has ${list.length} prompts, at most ${MAX_PROMPTS} are taken: send them in several requests.`,
      'prompt',
    );
  for (const [at, each] of list.entries()) {
    const name = `prompt.${at}`;
    if (!Array.isArray(first)) {
      if (typeof each !== 'string') throw wrong(name, each, 'in a list of prompts each is a text');
    } else if (!Array.isArray(each)) throw wrong(name, each, 'in a list of prompts in token ids each is a list');
    else if (each.length === 0) throw wrong(name, each, 'a prompt has one token id or more', 'invalid_value');
    else checkIds(each, name);
  }
}

function checkIds(ids: readonly unknown[], name: string): void {
  const at = ids.findIndex((id) => !Number.isSafeInteger(id) || Number(id) < 0 || Number(id) > MAX_TOKEN_ID);
  if (at < 0) return;
  const code = typeof ids[at] === 'number' ? 'invalid_value' : 'invalid_type';
  throw wrong(`${name}.${at}`, ids[at], `a token id is an integer from 0 to ${MAX_TOKEN_ID}`, code);
}

function wrong(name: string, value: unknown, why: string, code = 'invalid_type'): Error {
  return badRequest(`Invalid value for "${name}": ${why} (it is ${quoted(value)}).`, name, code);
}

function promptsOf(prompt: string | string[] | number[] | number[][]): readonly RawPrompt[] {
  if (typeof prompt === 'string') return [prompt];
  return prompt.every((each) => typeof each === 'number')
    ? [prompt]
    : prompt.filter((each) => typeof each !== 'number');
}

function messageOf(prompt: RawPrompt): Message {
  const part =
    typeof prompt === 'string' ? { type: RAW_PROMPT, text: prompt } : { type: RAW_PROMPT, token_ids: prompt };
  return { role: 'user', content: [part] };
}
