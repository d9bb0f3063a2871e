/**
 * Tokens by vLLM's `/tokenize`, how many a prompt has and which they are: rendered by the engine's own template, so
 * that nothing here guesses.
 */
import type { Dispatcher } from 'undici';

import { GyreError } from '../../core/errors.js';
import { cancelled, garbage, statusFault, transportFault, type Party } from './fault.js';

export interface CountRequest {
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Bytes of a reply: it lists every token, eight bytes or so each. */
const REPLY_BYTES = 64 * 1024 * 1024;

/** Throws the engine's fault; 501 when it is a server that has no such route. */
export async function countTokens(
  dispatcher: Dispatcher,
  request: CountRequest,
  party: Party,
  signal: AbortSignal,
): Promise<number> {
  const count = countIn(await replyTo(dispatcher, request, party, signal));
  if (count === undefined) throw cannotCount(request.origin, 'its reply to /tokenize has no count');
  return count;
}

/** The ids themselves. Throws the same. */
export async function tokensOf(
  dispatcher: Dispatcher,
  request: CountRequest,
  party: Party,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const tokens = tokensIn(await replyTo(dispatcher, request, party, signal));
  if (tokens === undefined) throw cannotCount(request.origin, 'its reply to /tokenize has no tokens');
  return tokens;
}

async function replyTo(
  dispatcher: Dispatcher,
  request: CountRequest,
  party: Party,
  signal: AbortSignal,
): Promise<string> {
  if (signal.aborted) throw cancelled();
  let status = 0;
  let retryAfter: string | undefined;
  let text: string;
  try {
    const reply = await dispatcher.request({ ...request, method: 'POST', signal });
    status = reply.statusCode;
    const after = reply.headers['retry-after'];
    retryAfter = Array.isArray(after) ? after[0] : after;
    text = await textOf(reply.body);
  } catch (thrown) {
    if (signal.aborted) throw cancelled();
    throw thrown instanceof GyreError ? thrown : transportFault(thrown, status !== 0, party);
  }
  if (status === 404 && !speaksOfModel(text)) throw cannotCount(request.origin, 'it has no route /tokenize');
  if (status === 405 || status === 501) throw cannotCount(request.origin, `it answered ${status}`);
  if (status !== 200) throw statusFault(status, text, retryAfter, party);
  return text;
}

async function textOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > REPLY_BYTES) throw garbage(`its count is larger than ${REPLY_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** vLLM says 404 of weights it does not hold as well. */
function speaksOfModel(text: string): boolean {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } | null | undefined };
    return typeof error?.message === 'string' && /\bmodel\b/i.test(error.message);
  } catch {
    return false; // a page is no answer about weights
  }
}

function countIn(text: string): number | undefined {
  try {
    const { count } = JSON.parse(text) as { count?: unknown };
    return typeof count === 'number' && Number.isInteger(count) && count >= 0 ? count : undefined;
  } catch {
    return undefined; // what is no JSON counts nothing
  }
}

function tokensIn(text: string): readonly number[] | undefined {
  try {
    const { tokens } = JSON.parse(text) as { tokens?: unknown };
    if (!Array.isArray(tokens)) return undefined;
    return tokens.every((id) => Number.isInteger(id) && id >= 0) ? (tokens as number[]) : undefined;
  } catch {
    return undefined; // what is no JSON has no tokens
  }
}

function cannotCount(origin: string, why: string): GyreError {
  return new GyreError({
    side: 'engine',
    status: 501,
    code: 'tokenize_unsupported',
    message:
      `The engine at ${origin} cannot count tokens: ${why}. vLLM can; with another ` +
      'server, read "usage" of an answer.',
  });
}
