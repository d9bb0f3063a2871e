/** Held-out tasks answered by versions: what the gate decides by, and what a report tells. */
import type { Hash } from '../text/hash.js';

/** As what a version was asked a task: in a test of its own, as what serves in another's, or for a report. */
export type AskedAs = 'candidate' | 'serving' | 'report';

/** One held-out task answered by one version, and judged. No answer is no row: it is asked again. */
export interface TaskAnswer {
  readonly version: number;
  readonly taskId: string;
  /** Of what the task says, so that an answer to what stood under its id before is none to it. */
  readonly taskHash: Hash;
  readonly judge: string;
  readonly judgeVersion: string;
  /** From 0 to 1. */
  readonly score: number;
  readonly trajectoryId: string;
  readonly askedAs: AskedAs;
  readonly createdAt: number;
}
