/** Calls to the trainer service: one answer each, checked, and its faults as errors with their side. */
import { z } from 'zod';

import { GyreError, reasonOf } from '../core/errors.js';

/** What went wrong at the trainer, in its own words. */
export const Fault = z.object({ code: z.string(), message: z.string(), side: z.string().optional() });

/** Milliseconds a call may take; loading an adapter is the slowest. */
const TIMEOUT_MS = 60_000;

export type Call = <T>(
  schema: z.ZodType<T>,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
  signal?: AbortSignal,
) => Promise<T>;

export function callsTo(url: string, token?: string): Call {
  const credentials = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return async <T>(
    schema: z.ZodType<T>,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<T> => {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    let status: number;
    let answer: unknown;
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { ...credentials, ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      status = response.status;
      answer = await response.json();
    } catch (cause) {
      throw new GyreError({
        side: 'trainer',
        status: 503,
        code: 'trainer_unreachable',
        message:
          `the trainer at ${url} did not answer ${method} ${path}: ` +
          reasonOf((cause instanceof Error && cause.cause) || cause),
        discreet: 'the trainer did not answer',
        cause,
      });
    }
    if (status === 401) throw unknownToken(url);
    if (status >= 400) throw faultOf(status, answer, `${method} ${path}`);
    const parsed = schema.safeParse(answer);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new GyreError({
        side: 'trainer',
        status: 502,
        code: 'trainer_garbage',
        message:
          `the trainer's answer to ${method} ${path} does not fit the contract at ` +
          `"${issue?.path.join('.') ?? ''}": ${issue?.message ?? ''}`,
      });
    }
    return parsed.data;
  };
}

function unknownToken(url: string): GyreError {
  return new GyreError({
    side: 'trainer',
    status: 503,
    code: 'trainer_refused_token',
    message:
      `the trainer at ${url} does not know our token: set GYRE_TRAINER_TOKEN to the same value for both, ` +
      'or give both the same data folder',
    discreet: 'the trainer does not know our token',
  });
}

function faultOf(status: number, answer: unknown, what: string): GyreError {
  const parsed = z.object({ error: Fault }).safeParse(answer);
  const { code, message, side } = parsed.success
    ? parsed.data.error
    : {
        code: 'trainer_garbage',
        message: `${what} answered ${status}: ${JSON.stringify(answer).slice(0, 200)}`,
        side: 'trainer',
      };
  return new GyreError({ side: side === 'client' || side === 'engine' ? side : 'trainer', status, code, message });
}
