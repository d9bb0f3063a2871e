/**
 * A batch: what is pushed to the trainer. One schema, read by both languages; the golden file
 * `tests/golden/batch/small.json` is written by TypeScript and read by Python.
 */
import { z } from 'zod';

import type { BatchState } from './cycle.js';

export const BATCH_SCHEMA = 'gyre.batch/1';

/**
 * All prompts and actions of a batch as one forest of token ids. `parent[i] < i`, -1 marks a root.
 * Tokens that share a whole prefix are one node: each distinct token is computed once.
 */
export const TokenTree = z.strictObject({
  tokens: z.array(z.int().nonnegative()),
  parent: z.array(z.int().gte(-1)),
});
export type TokenTree = z.infer<typeof TokenTree>;

/** One example: the `length` tokens ending at node `end`, found by walking parents. */
const BatchAction = z.strictObject({
  id: z.string(),
  end: z.int().nonnegative(),
  length: z.int().positive(),
  temperature: z.number().positive(),
  /** ln mu per token: the behaviour policy's probability after temperature. Absent for supervised examples. */
  logprobs: z.array(z.number()).optional(),
  advantage: z.number(),
  weight: z.number().nonnegative(),
});
export type BatchAction = z.infer<typeof BatchAction>;

/** Optimiser and loss settings of one update; the trainer's `contract/batch.py` has the same. */
export const Hyper = z.strictObject({
  /** Absent: the rate that fits the model's width, which the trainer knows (`learn/rate.py`). */
  learning_rate: z.number().positive().optional(),
  /** Optimiser steps over the same batch. */
  epochs: z.int().positive(),
  /** CISPO: MiniMax-M1, arXiv 2506.13585. DPPO: arXiv 2602.04879. Cross entropy is for supervised examples. */
  loss: z.enum(['cispo', 'dppo', 'cross_entropy']),
  /** CISPO: largest importance weight pi/mu of a token. */
  ratio_cap: z.number().positive(),
  /** CISPO: a token whose pi/mu is smaller carries no policy gradient. */
  ratio_floor: z.number().nonnegative(),
  /** Weight of (log pi - log mu)^2, which holds the policy near the one that sampled. */
  kl_weight: z.number().nonnegative(),
  /**
   * Nats a token that an update may move the policy from what it was before. The trainer halves a step that goes
   * beyond it once, then refuses the update.
   */
  kl_bound: z.number().positive(),
  /** An action with any token whose pi/mu is smaller is dropped whole. */
  sequence_veto: z.number().nonnegative(),
  grad_clip: z.number().positive(),
  adam_betas: z.tuple([z.number(), z.number()]),
  adam_eps: z.number().positive(),
  weight_decay: z.number().nonnegative(),
  /** `token`: every token weighs the same, so a long action weighs more. `sequence`: every action weighs the same. */
  normalise: z.enum(['token', 'sequence']),
  /** Of the LoRA adapter (arXiv 2106.09685). */
  rank: z.int().positive(),
  alpha: z.number().positive(),
  seed: z.int().nonnegative(),
});
export type Hyper = z.infer<typeof Hyper>;

export const Batch = z.strictObject({
  schema: z.literal(BATCH_SCHEMA),
  batch_id: z.string(),
  mode: z.enum(['resample', 'logged', 'sft']),
  base_version: z.int().nonnegative(),
  target_version: z.int().positive(),
  model: z.strictObject({ template_hash: z.string(), max_token_id: z.int().nonnegative() }),
  hyper: Hyper,
  tree: TokenTree,
  actions: z.array(BatchAction),
  counts: z.strictObject({ logical_tokens: z.int(), distinct_tokens: z.int(), actions: z.int() }),
});
export type Batch = z.infer<typeof Batch>;

/** A batch as its row has it. */
export interface BatchRow {
  readonly id: string;
  readonly cycleId: string;
  readonly state: BatchState;
  readonly batch: Batch;
  /** Why it is as it is; empty where there is nothing to say. */
  readonly note: string;
}

/** Which sample or step is in the batch. */
export interface BatchItem {
  readonly itemId: string;
  readonly stepId: string;
  readonly advantage: number;
}
