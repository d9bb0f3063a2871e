/** A sample: what the current policy would do at a logged state. */
import type { ToolCall } from '../message.js';

/** One action drawn by the current policy at a logged state, in order to train on it. Judged, never executed. */
export interface Sample {
  readonly id: string;
  readonly cycleId: string;
  /** The step whose state it was drawn at. */
  readonly stepId: string;
  readonly policyVersion: number;
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly promptTokenIds: readonly number[];
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly number[];
  readonly temperature: number;
  readonly cut: boolean;
  /** Whose bound cut it; absent where none did, and in rows of before it was written down. */
  readonly bound?: 'own' | 'client' | undefined;
  readonly createdAt: number;
}
