/**
 * Which of the states that are open a cycle takes up. Pure. Each state once, also where it is said a little otherwise;
 * few of one conversation, and from no key more than its share; those first of which there is most to learn: where some
 * of the actions that were drawn last were good and some were not.
 */
import type { OpenState } from '../core/learning/candidate.js';
import type { Claim, TrainMode } from '../core/learning/cycle.js';
import type { StateWords } from '../core/learning/state.js';
import { Distinct, gistOf } from '../filter/alike.js';
import type { LeftOut } from '../filter/filter.js';
import { shareOut } from '../filter/shares.js';

/** States of one conversation in a batch: they are about the same thing. */
export const PER_TRAJECTORY = 2;
/** So many times as many states as a batch takes are read for it: some of them turn out to be the same. */
const READ = 4;

/** Of a batch so much is given to states of each kind, as long as there are any. Choices, not measured. */
const KINDS = { mixed: 0.5, fresh: 0.4, alike: 0.1 } as const;
type Kind = keyof typeof KINDS;

export interface Room {
  /** States of a batch. */
  readonly max: number;
  /** The part that one key gives at most, and among how many keys. */
  readonly share: number;
  readonly givers: number;
}

export interface Listed {
  readonly states: readonly OpenState[];
  readonly leftOut: Readonly<Partial<Record<LeftOut, number>>>;
}

/** What is known of listed states that takes reading what was said in them. */
export interface Known {
  readonly words: ReadonlyMap<string, StateWords>;
  /** Those that may be learned from. */
  readonly consented: ReadonlySet<string>;
  readonly heldOut: ReadonlySet<string>;
}

export interface Choice {
  readonly claims: readonly Claim[];
  /** States and steps that are left out although they passed. */
  readonly leftOut: Readonly<Partial<Record<LeftOut | 'no_consent' | 'heldout', number>>>;
}

/** Those that are read: `open` is in the order in which states are taken where nothing is to be preferred. */
export function shortlist(open: readonly OpenState[], mode: TrainMode, room: Room): Listed {
  const inTrajectory = new Map<string, number>();
  const few = preferred(open, mode).filter(({ trajectoryId }) => {
    const count = (inTrajectory.get(trajectoryId) ?? 0) + 1;
    inTrajectory.set(trajectoryId, count);
    return count <= PER_TRAJECTORY;
  });
  const { taken, over } = shareOut(few, READ * room.max, room.share, room.givers);
  return { states: taken, leftOut: counted({ same_trajectory: open.length - few.length, key_share: over }) };
}

/** What a cycle takes up of the states that were read. */
export function choose(listed: readonly OpenState[], known: Known, room: Room): Choice {
  const distinct = new Distinct<string>();
  const same = new Map<string, string[]>();
  const left = { no_consent: 0, heldout: 0, same_state: 0 };
  const first = listed.filter(({ stepId, again }) => {
    const words = known.words.get(stepId);
    if (words === undefined) return false;
    if (!known.consented.has(stepId)) left.no_consent += 1;
    else if (known.heldOut.has(stepId)) left.heldout += 1;
    else {
      left.same_state += again;
      const before = distinct.add(gistOf(words.messages, words.tools), stepId);
      if (before === undefined) {
        same.set(stepId, []);
        return true;
      }
      left.same_state += 1;
      same.get(before)?.push(stepId);
    }
    return false;
  });
  const { taken, over } = shareOut(first, room.max, room.share, room.givers);
  return {
    claims: taken.map(({ stepId }) => ({ stepId, same: same.get(stepId) ?? [] })),
    leftOut: counted({ ...left, key_share: over }),
  };
}

/**
 * Of every length the beginning has its part of each kind. What no judge has told of comes last: of actions that are
 * drawn there nobody may know whether they are right.
 */
function preferred(open: readonly OpenState[], mode: TrainMode): OpenState[] {
  const good = ({ good: is }: OpenState): boolean => mode !== 'sft' || is === true;
  const ranks = [true, false].flatMap((told) =>
    [true, false].map((first) => open.filter((state) => state.told === told && good(state) === first)),
  );
  return ranks.flatMap(mixed);
}

function mixed(states: readonly OpenState[]): OpenState[] {
  const queues = { mixed: [] as OpenState[], fresh: [] as OpenState[], alike: [] as OpenState[] };
  for (const state of states) queues[kindOf(state)].push(state);
  const given: Record<Kind, number> = { mixed: 0, fresh: 0, alike: 0 };
  const order: OpenState[] = [];
  while (order.length < states.length) {
    // As seats are given in parliaments (Sainte-Lague): what one kind cannot fill goes to the others by their parts.
    const has = (kind: Kind): number => (given[kind] + 0.5) / KINDS[kind];
    const [kind] = (Object.keys(KINDS) as Kind[])
      .filter((each) => given[each] < queues[each].length)
      .sort((a, b) => has(a) - has(b));
    const next = kind === undefined ? undefined : queues[kind][given[kind]];
    if (kind === undefined || next === undefined) break;
    given[kind] += 1;
    order.push(next);
  }
  return order;
}

function kindOf({ visits, lastRate }: OpenState): Kind {
  if (visits === 0) return 'fresh';
  return lastRate !== undefined && lastRate > 0 && lastRate < 1 ? 'mixed' : 'alike';
}

function counted<N extends string>(counts: Readonly<Record<N, number>>): Partial<Record<N, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<Record<N, number>>;
}
