/** Demonstrations: turns that people have said would have been right, as tokens to imitate. */
import type { LoggedState } from '../learning/state.js';
import type { AssistantMessage } from '../message.js';

/** One that stands, with the state it is to be said in. */
export interface Demonstrated {
  /** Of the label, or of the feedback. */
  readonly id: string;
  readonly stepId: string;
  readonly turn: AssistantMessage;
  /** The token that ends an action there, as the engine has sampled it; undefined where it never was. */
  readonly endId: number | undefined;
}

/** What the engine's own template makes of it. */
export interface RenderedDemonstration extends Pick<Demonstrated, 'id' | 'stepId'> {
  readonly templateHash: string;
  /** Of the turn alone, its end included; absent where it cannot be learned from, and `reason` says why. */
  readonly tokenIds?: readonly number[] | undefined;
  readonly reason: '' | 'no_token_ids' | 'drift' | 'no_end' | 'too_long' | 'redacted' | 'refused';
}

/** One that a batch may take. */
export interface Taught extends Pick<Demonstrated, 'id' | 'stepId'> {
  readonly tokenIds: readonly number[];
}

/** The same with its state. */
export interface TaughtState {
  readonly id: string;
  readonly state: LoggedState;
  readonly tokenIds: readonly number[];
}
