/** What answering a request needs, whatever protocol it speaks. */
import type { Keys } from '../../core/key.js';
import type { StepLog } from '../../core/log.js';
import type { Reading } from '../../core/reading.js';
import type { Serving } from '../../core/serving.js';
import type { Toolbox } from '../../core/tool.js';
import type { Allowances } from '../callers/allowance.js';
import type { Metrics } from '../numbers/metrics.js';
import type { Bodies } from '../wire/bodies.js';
import type { AnswerSettings } from './face.js';

export interface AnswerDeps {
  readonly serving: Serving;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly keys: Keys;
  readonly allowances: Allowances;
  readonly metrics: Metrics;
  readonly past: Pick<Reading, 'conversation' | 'answers' | 'withdrawn'>;
  readonly settings: AnswerSettings;
  readonly bodies: Bodies;
  /** Hears of every fault that is a bug of ours: its client is told only that there was one. */
  readonly bug: (thrown: unknown, requestId: string) => void;
}
