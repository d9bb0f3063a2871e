/** Makes a batch of examples. Pure: the same examples in the same order give the same bytes. */
import { BATCH_SCHEMA, type Batch, type Hyper } from '../core/learning/batch.js';
import type { TrainMode } from '../core/learning/cycle.js';
import { TreeBuilder } from './tree.js';

/** One action with its state, and how strongly it is encouraged or discouraged (`advantage`). */
export interface Example {
  readonly id: string;
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly promptTokenIds: readonly number[];
  readonly tokenIds: readonly number[];
  readonly logprobs?: readonly number[] | undefined;
  readonly temperature: number;
  readonly advantage: number;
}

export interface BatchHead {
  readonly batchId: string;
  readonly mode: TrainMode;
  readonly baseVersion: number;
  readonly targetVersion: number;
  readonly templateHash: string;
  readonly hyper: Hyper;
}

export function assemble(head: BatchHead, examples: readonly Example[]): Batch {
  const builder = new TreeBuilder();
  const ends = examples.map((example) => builder.add([...example.promptTokenIds, ...example.tokenIds]));
  const { tree, place } = builder.build();
  const weights = trajectoryWeights(examples);
  const logical = examples.reduce((sum, example) => sum + example.promptTokenIds.length + example.tokenIds.length, 0);
  return {
    schema: BATCH_SCHEMA,
    batch_id: head.batchId,
    mode: head.mode,
    base_version: head.baseVersion,
    target_version: head.targetVersion,
    model: {
      template_hash: head.templateHash,
      max_token_id: tree.tokens.reduce((max, token) => Math.max(max, token), 0),
    },
    hyper: head.hyper,
    tree,
    actions: examples.map((example, i) => ({
      id: example.id,
      end: place[ends[i] ?? 0] ?? 0,
      length: example.tokenIds.length,
      temperature: example.temperature,
      ...(example.logprobs === undefined ? {} : { logprobs: [...example.logprobs] }),
      advantage: example.advantage,
      weight: weights[i] ?? 1,
    })),
    counts: { logical_tokens: logical, distinct_tokens: tree.tokens.length, actions: examples.length },
  };
}

/**
 * A trajectory that gave many states must not weigh more than one that gave a single state, so an example weighs one
 * over the number of its trajectory's states. The weights are then scaled to average 1, so that the learning rate means
 * the same whatever the mix.
 */
function trajectoryWeights(examples: readonly Example[]): number[] {
  const states = new Map<string, Set<string>>();
  for (const { trajectoryId, stepId } of examples)
    states.set(trajectoryId, (states.get(trajectoryId) ?? new Set()).add(stepId));
  const raw = examples.map((example) => 1 / (states.get(example.trajectoryId)?.size ?? 1));
  const mean = raw.reduce((sum, weight) => sum + weight, 0) / Math.max(1, raw.length);
  return raw.map((weight) => weight / mean);
}

/**
 * What every batch is trained with. The trainer has the same defaults for keys a batch leaves out (`Hyper` in its
 * `contract/batch.py`, which says where the values come from); `tests/golden/batch/hyper.json` holds both to them.
 * Without a learning rate the trainer takes the one of the model's width.
 */
export function hyperDefaults(mode: TrainMode, learningRate: number | undefined, seed: number): Hyper {
  return {
    ...(learningRate === undefined ? {} : { learning_rate: learningRate }),
    epochs: 1,
    loss: mode === 'sft' ? 'cross_entropy' : 'cispo',
    ratio_cap: 2,
    ratio_floor: mode === 'logged' ? 0.5 : 0,
    kl_weight: 0.001,
    kl_bound: 0.05,
    sequence_veto: 1e-4,
    grad_clip: 1,
    adam_betas: [0.9, 0.95],
    adam_eps: 1e-8,
    weight_decay: 0,
    normalise: 'token',
    rank: 16,
    alpha: 32,
    seed,
  };
}
