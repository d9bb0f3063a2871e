/** What a cycle may take up, as far as it is counted: the same question from the clock, the status and the verbs. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { CandidateRule, StateTally } from '../core/learning/candidate.js';
import type { Config } from '../core/config.js';
import type { FilterName, TrainMode } from '../core/learning/cycle.js';
import type { ReuseBounds, StateRows } from '../core/ports.js';
import { ruleOf } from '../filter/filter.js';
import { giversAmong, partOf, shareOfCounts } from '../filter/shares.js';

export function ruleIn(config: Config, head: number): CandidateRule {
  return ruleOf(config['learning.filter'] as FilterName, config['learning.mode'] as TrainMode, head);
}

/** A logged action is trained on once; a state may be drawn from again. */
export function boundsIn(config: Config, mode: TrainMode, head: number): ReuseBounds {
  return { head, reuse: mode === 'resample' ? config['learning.reuse'] : 1 };
}

/** Between two slices of counting: whoever waits to write, as the log does, has its turn. */
const REST_MS = 10;

/** Counts until all is counted. */
export async function countAll(states: StateRows, rule: CandidateRule, signal: AbortSignal): Promise<void> {
  while (await states.count(rule)) await sleep(REST_MS, undefined, { signal });
}

export interface Available {
  readonly states: number;
  /** Left out because their keys have given their share. */
  readonly over: number;
  /** The part of a batch that one key gives at most, as many as there are. */
  readonly part: number;
}

/** How many states there are for cycles, as far as that is seen without reading what was said. */
export function available({ givers }: StateTally, heardLately: readonly string[], config: Config): Available {
  const share = config['learning.key_share'];
  const among = giversAmong(heardLately, givers);
  return { ...shareOfCounts(givers, share, among), part: partOf(share, among) };
}
