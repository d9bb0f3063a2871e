/**
 * Client of the trainer service: every call of `trainer/CONTRACT.md`, its answers checked, its faults turned into
 * errors with the side they happened on. It keeps no state, and every call may safely be repeated.
 */
import { z } from 'zod';

import type { Batch } from '../core/learning/batch.js';
import { GyreError, reasonOf } from '../core/errors.js';

const Health = z.object({
  status: z.string(),
  pid: z.number(),
  uptime_s: z.number(),
  phase: z.string(),
  detail: z.string().optional(),
  engine: z.object({
    state: z.string(),
    url: z.string().nullable(),
    /** What requests to the engine bring. */
    api_key: z.string().nullish(),
    pid: z.number().nullable().optional(),
    restarts: z.number(),
    detail: z.string().nullable().optional(),
  }),
  model: z.object({
    path: z.string(),
    dtype: z.string().nullable(),
    device: z.string().nullable(),
    template_hash: z.string(),
    max_model_len: z.number(),
  }),
  head: z.number(),
  loaded: z.array(z.object({ version: z.number(), name: z.string() })),
  self_check: z.record(z.string(), z.unknown()),
  busy: z.object({ batch_id: z.string(), phase: z.string(), progress: z.number() }).nullable(),
});
export type TrainerHealth = z.infer<typeof Health>;

const Parity = z.object({
  mean_abs: z.number(),
  max_abs: z.number(),
  n_tokens: z.number(),
  tolerance: z.number(),
  passed: z.boolean(),
});

const Result = z.object({
  version: z.int(),
  name: z.string(),
  path: z.string(),
  metrics: z.record(z.string(), z.unknown()),
  /** Unix seconds at which the marker was on disk. */
  published_at: z.number(),
  load_seconds: z.number(),
  /** From the marker on disk to the first token out of the adapter. */
  first_token_seconds: z.number(),
  parity: Parity,
  differs_from_base: z.number(),
});
export type BatchResult = z.infer<typeof Result>;

const Fault = z.object({ code: z.string(), message: z.string(), side: z.string().optional() });

const BatchState = z.object({
  batch_id: z.string(),
  state: z.enum(['queued', 'training', 'publishing', 'done', 'failed']),
  progress: z.number().optional(),
  error: Fault.nullish(),
  result: Result.nullish(),
});
export type TrainerBatch = z.infer<typeof BatchState>;

export interface Trainer {
  readonly url: string;
  /** What requests to it bring. */
  readonly token: string | undefined;
  health(signal?: AbortSignal): Promise<TrainerHealth>;
  /** Hands the batch over; the batch id is the idempotency key, so sending again never trains again. */
  submit(batch: Batch): Promise<TrainerBatch>;
  batch(id: string): Promise<TrainerBatch>;
  /** Makes `version` from the weights of `copyOf` and loads it; with `makeHead` training goes on from it. */
  copyVersion(version: number, copyOf: number, makeHead: boolean): Promise<void>;
  resetHead(version: number): Promise<void>;
  load(version: number): Promise<void>;
  unload(version: number): Promise<void>;
  /** Unloads it and removes its weights from the disk. */
  remove(version: number): Promise<void>;
}

/** Milliseconds a call may take; loading an adapter is the slowest. */
const TIMEOUT_MS = 60_000;

export function openTrainer(url: string, token?: string): Trainer {
  const credentials = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const call = async <T>(
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
  const post = async (path: string, body?: unknown): Promise<void> => {
    await call(z.unknown(), 'POST', path, body ?? {});
  };
  return {
    url,
    token,
    health: (signal) => call(Health, 'GET', '/health', undefined, {}, signal),
    submit: (batch) => call(BatchState, 'POST', '/v1/batches', batch, { 'idempotency-key': batch.batch_id }),
    batch: (id) => call(BatchState, 'GET', `/v1/batches/${encodeURIComponent(id)}`),
    copyVersion: (version, copyOf, makeHead) => post('/v1/versions', { version, copy_of: copyOf, make_head: makeHead }),
    resetHead: (version) => post('/v1/head', { version }),
    load: (version) => post(`/v1/adapters/${version}/load`),
    unload: (version) => post(`/v1/adapters/${version}/unload`),
    remove: async (version) => {
      await call(z.unknown(), 'DELETE', `/v1/adapters/${version}`);
    },
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
