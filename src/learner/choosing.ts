/**
 * Which of the steps that passed the filter become the states of a batch: each state once, the newest first, and from
 * no key more than its share.
 */
import type { Passed } from '../core/learning/candidate.js';
import type { Claim, TrainMode } from '../core/learning/cycle.js';
import { parseJson } from '../core/text/json.js';
import type { FunctionSpec } from '../core/policy.js';
import { Distinct, gistOf } from '../filter/alike.js';
import type { LeftOut } from '../filter/filter.js';
import { partOf, shareOut } from '../filter/shares.js';
import { prepared, type Db } from '../store/file/db.js';
import { consented } from '../store/learning/consent.js';
import { heardLately } from '../store/learning/givers.js';
import { messageOf, readChain } from '../store/log/chain.js';
import type { Learner } from './deps.js';

/** States of one key that are compared with others, newest first: no batch takes more of them. */
const LOOKED_AT = 200;

interface Choice {
  /** Oldest first. */
  readonly claims: readonly Claim[];
  /** Steps that are left out although they passed. */
  readonly leftOut: Readonly<Partial<Record<LeftOut | 'no_consent', number>>>;
}

interface State extends Passed {
  readonly same: Passed[];
}

type Choosing = Pick<Learner, 'db' | 'config'>;

/**
 * What a cycle takes up. States that are nearly the same count once, too, and no answer in a state may be one that was
 * given without consent: both are looked for only here, because it takes reading what was said.
 */
export function choose(learner: Choosing, passed: readonly Passed[], mode: TrainMode): Choice {
  const most = Math.max(LOOKED_AT, learner.config['learning.max_states']);
  const withheld = new Set<string>();
  for (;;) {
    const open = passed.filter(({ stepId }) => !withheld.has(stepId));
    const distinct = onceNearly(learner.db, newestOfEach(once(open, mode), most), mode);
    const { taken, over } = share(learner, distinct, open);
    const may = consented(
      learner.db,
      taken.map(({ stepId }) => stepId),
    );
    if (may.size < taken.length) {
      for (const { stepId } of taken) if (!may.has(stepId)) withheld.add(stepId);
      continue;
    }
    return {
      claims: taken.map(({ stepId, same }) => ({ stepId, same: same.map((step) => step.stepId) })),
      leftOut: { ...leftOut(taken, over), ...(withheld.size === 0 ? {} : { no_consent: withheld.size }) },
    };
  }
}

/** How many states there are for cycles, as far as that is seen without reading what was said. */
export function available(
  learner: Choosing,
  passed: readonly Passed[],
  mode: TrainMode,
): {
  readonly states: number;
  readonly leftOut: Readonly<Partial<Record<LeftOut, number>>>;
  /** The part of a batch that one key gives at most, as many as there are. */
  readonly part: number;
} {
  const states = once(passed, mode);
  const { taken, over } = share(learner, states, passed, states.length);
  const part = partOf(learner.config['learning.key_share'], giversAmong(learner.db, passed));
  return { states: taken.length, leftOut: leftOut(states, over), part };
}

/** Of the states the newest, oldest first. */
function share(
  { db, config }: Choosing,
  states: readonly State[],
  passed: readonly Passed[],
  max: number = config['learning.max_states'],
): { readonly taken: readonly State[]; readonly over: number } {
  const { taken, over } = shareOut([...states].reverse(), max, config['learning.key_share'], giversAmong(db, passed));
  return { taken: [...taken].reverse(), over };
}

function leftOut(states: readonly State[], over: number): Partial<Record<LeftOut, number>> {
  const same = states.reduce((sum, state) => sum + state.same.length, 0);
  return { ...(same === 0 ? {} : { same_state: same }), ...(over === 0 ? {} : { key_share: over }) };
}

/** How many keys share a batch: those that give to it, and those that were heard lately. */
function giversAmong(db: Db, given: readonly { readonly giver: string | undefined }[]): number {
  const givers = new Set(heardLately(db));
  for (const { giver } of given) if (giver !== undefined) givers.add(giver);
  return givers.size;
}

/**
 * The first step of each state, oldest first: whoever says again what another has said takes nothing of him away. Where
 * actions are imitated it is the first good one.
 */
function once(passed: readonly Passed[], mode: TrainMode): State[] {
  const states = new Map<string, State>();
  for (const step of goodFirst(passed, mode)) {
    const known = states.get(step.state);
    if (known === undefined) states.set(step.state, { ...step, same: [] });
    else known.same.push(step);
  }
  return passed.flatMap(({ stepId, state }) => {
    const first = states.get(state);
    return first?.stepId === stepId ? [first] : [];
  });
}

function goodFirst<T extends Passed>(steps: readonly T[], mode: TrainMode): readonly T[] {
  if (mode !== 'sft') return steps;
  return [...steps.filter(({ good }) => good === true), ...steps.filter(({ good }) => good !== true)];
}

function newestOfEach(states: readonly State[], most: number): State[] {
  const counts = new Map<string | undefined, number>();
  const newest = [...states].reverse().filter(({ giver }) => {
    const count = (counts.get(giver) ?? 0) + 1;
    counts.set(giver, count);
    return count <= most;
  });
  return newest.reverse();
}

function onceNearly(db: Db, states: readonly State[], mode: TrainMode): State[] {
  const distinct = new Distinct<State>();
  const first = new Set<State>();
  for (const state of goodFirst(states, mode)) {
    const chain = readChain(db, state.stateAt);
    const tools = prepared<[string], { body: string }>(db, 'SELECT body FROM tool_sets WHERE hash = ?').get(
      state.toolSet,
    );
    if (chain === undefined || tools === undefined) continue;
    const messages = chain.map(({ body }) => messageOf(body));
    const known = distinct.add(gistOf(messages, parseJson(tools.body) as FunctionSpec[]), state);
    if (known === undefined) first.add(state);
    else for (const step of [state, ...state.same]) known.same.push(step);
  }
  return states.filter((state) => first.has(state));
}
