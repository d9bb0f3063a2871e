/**
 * Client of the trainer service: every call of `trainer/CONTRACT.md`, its answers checked, its faults turned into
 * errors with the side they happened on. It keeps no state, and every call may safely be repeated.
 */
import { z } from 'zod';

import type { Batch } from '../core/learning/batch.js';
import { callsTo, Fault } from './call.js';

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

export function openTrainer(url: string, token?: string): Trainer {
  const call = callsTo(url, token);
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
