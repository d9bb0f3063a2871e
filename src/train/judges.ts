/** The part of the trainer's contract about judges that are trained: they are no versions of the policy. */
import { z } from 'zod';

import { callsTo, Fault } from './call.js';

/** A label: the tokens of a prompt, and which word stands behind it. */
export interface TrainingLabel {
  readonly ids: readonly number[];
  readonly good: boolean;
  /** Trained on; calibrated on; reported on; reported on, and of a cluster that is not trained on. */
  readonly part: 'train' | 'fit' | 'test' | 'unseen';
  readonly cluster: string;
}

export interface TrainingLabels {
  readonly judge: string;
  readonly version: number;
  readonly labels_hash: string;
  /** Token ids of the two words. */
  readonly good: number;
  readonly bad: number;
  readonly hyper: {
    readonly rank: number;
    readonly alpha: number;
    readonly learning_rate?: number | undefined;
    readonly passes: number;
    readonly batch: number;
    readonly seed: number;
  };
  readonly labels: readonly TrainingLabel[];
}

const SCHEMA = 'gyre.labels/1';

const Report = z.looseObject({
  calibration: z.object({ scale: z.number(), bias: z.number(), fitted: z.boolean() }),
});

const State = z.object({
  name: z.string(),
  labels_hash: z.string(),
  state: z.enum(['queued', 'training', 'publishing', 'done', 'failed']),
  progress: z.number().optional(),
  error: Fault.nullish(),
  result: z
    .object({
      path: z.string(),
      adapter: z.string(),
      report: Report,
      parity: z.object({ mean_abs: z.number(), n: z.number(), tolerance: z.number(), passed: z.boolean() }),
    })
    .nullish(),
});
export type TrainerJudge = z.infer<typeof State>;

const Health = z.object({ judges: z.object({ loaded: z.array(z.string()) }).optional() });

/** Every call may safely be repeated. */
export interface JudgeTrainer {
  /** Labels that the trainer has had under this version are not trained on again. */
  train(labels: TrainingLabels): Promise<TrainerJudge>;
  /** Throws 404 `no_such_judge` where nothing of it is left. */
  state(judge: string, version: number): Promise<TrainerJudge>;
  load(judge: string, version: number): Promise<void>;
  unload(judge: string, version: number): Promise<void>;
  /** Unloads it and removes its weights from the disk. */
  remove(judge: string, version: number): Promise<void>;
  /** Names in the engine. */
  loaded(): Promise<readonly string[]>;
}

export function openJudgeTrainer({
  url,
  token,
}: {
  readonly url: string;
  readonly token?: string | undefined;
}): JudgeTrainer {
  const call = callsTo(url, token);
  const path = (judge: string, version: number): string => `/v1/judges/${encodeURIComponent(judge)}/${version}`;
  return {
    train: (labels) => call(State, 'POST', '/v1/judges', { schema: SCHEMA, ...labels }),
    state: (judge, version) => call(State, 'GET', path(judge, version)),
    async load(judge, version) {
      await call(z.unknown(), 'POST', `${path(judge, version)}/load`, {});
    },
    async unload(judge, version) {
      await call(z.unknown(), 'POST', `${path(judge, version)}/unload`, {});
    },
    async remove(judge, version) {
      await call(z.unknown(), 'DELETE', path(judge, version));
    },
    async loaded() {
      return (await call(Health, 'GET', '/health')).judges?.loaded ?? [];
    },
  };
}
