/** Versions of the policy, how they were evaluated, and what was decided about them. */
import type { ServedCanary } from '../judging/live.js';

/** The engine's name of a version's weights. */
export function adapterName(version: number): string {
  return version === 0 ? 'base' : `gyre-v${String(version).padStart(6, '0')}`;
}

/** {@link adapterName} backwards; undefined for a name that is none of ours. */
export function adapterVersion(name: string): number | undefined {
  const digits = /^gyre-v(\d{6,9})$/.exec(name)?.[1];
  return name === 'base' ? 0 : digits === undefined ? undefined : Number(digits);
}

export const VERSION_KINDS = [
  /** The model before any training, version 0. It is known without a row, and none is written today. */
  'base',
  /** Made by the trainer from a batch; its row is written when the trainer says that the batch is done. */
  'trained',
  /** Older weights under a new number; `gyre rollback` and its route write it. */
  'rollback',
  /** The same, after the trainer has lost the head: `gyre restart` and its route write it. */
  'restart',
] as const;
export type VersionKind = (typeof VERSION_KINDS)[number];

/** One policy version. Numbers only grow; a rollback is older weights under a new number. */
export interface Version {
  readonly version: number;
  readonly kind: VersionKind;
  readonly parent?: number | undefined;
  readonly batchId?: string | undefined;
  /** Of a rollback or a restart: the version whose weights these are. */
  readonly copyOf?: number | undefined;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

/** Decisions are rows with the numbers that made them. The serving version is the last promotion or rollback. */
export const DECISION_KINDS = [
  /** Whether a version may serve, by its evaluation against the serving one. Written by every cycle that evaluates. */
  'gate',
  /** The version serves from now on: after a passed gate, or by hand (`gyre promote`) where a gate has passed. */
  'promotion',
  /** The version, older weights under a new number, serves and is the head from now on (`gyre rollback`). */
  'rollback',
  /** The version, older weights under a new number, is the head from now on: the trainer had lost the one before. */
  'restart',
  /** Training goes on from the serving version, because the gate refused worse heads several times in a row. */
  'head_reset',
  /** Whether engine and trainer give a new version's tokens the same probabilities. Written after each training. */
  'parity',
  /** Whether a version that answered a share of the live conversations may answer all of them. */
  'canary',
] as const;
export type DecisionKind = (typeof DECISION_KINDS)[number];

export interface Decision {
  readonly id: string;
  readonly kind: DecisionKind;
  readonly version: number;
  readonly against?: number | undefined;
  readonly passed: boolean;
  readonly reason: string;
  readonly numbers: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

/** A decision before it is a row. */
export type NewDecision = Omit<Decision, 'id' | 'createdAt'>;

/** What the trainer made of a batch. */
export interface MadeVersion {
  readonly version: number;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly parity: Pick<Decision, 'passed' | 'reason' | 'numbers'>;
}

/** A batch that was applied, as the rows have it. */
export interface AppliedBatch {
  readonly version: Version;
  readonly parity: Decision;
  /** False where the head was moved while it was trained. */
  readonly isHead: boolean;
}

/** One held-out task answered by one version. */
export interface EvaluationResult {
  readonly taskId: string;
  readonly trajectoryId: string;
  readonly score: number;
}

export interface Evaluation {
  readonly id: string;
  readonly version: number;
  /** Hash of the ordered task ids and contents, so that only like is compared with like. */
  readonly taskSet: string;
  readonly results: readonly EvaluationResult[];
  readonly createdAt: number;
}

/**
 * Versions whose weights at most so many updates have made into those of `head`, copies of them included. Numbers do
 * not tell how far two are apart: the head is set back, and a copy has the next number after weights long left behind.
 */
export function weightsNear(
  versions: readonly Pick<Version, 'version' | 'parent' | 'copyOf'>[],
  head: number,
  updates: number,
): ReadonlySet<number> {
  const known = new Map(versions.map((each) => [each.version, each]));
  const weightsOf = (version: number): number => {
    const { copyOf } = known.get(version) ?? {};
    return copyOf === undefined ? version : weightsOf(copyOf);
  };
  const near = new Set<number>();
  let weights: number | undefined = weightsOf(head);
  for (let back = 0; back <= updates && weights !== undefined; back += 1) {
    near.add(weights);
    const parent: number | undefined = known.get(weights)?.parent;
    weights = parent === undefined ? undefined : weightsOf(parent);
  }
  for (const { version } of versions) if (near.has(weightsOf(version))) near.add(version);
  return near;
}

/** Digits as numbers are written: one version has one id. */
export function isVersionNumber(text: string): boolean {
  return /^(0|[1-9]\d{0,14})$/.test(text);
}

/** What a serving process does by the rows of versions and decisions. */
export interface Followed {
  /** Versions that have their weights. */
  readonly versions: readonly number[];
  readonly serving: number;
  readonly head: number;
  /** What served before: kept loaded so that going back is immediate. */
  readonly previous: readonly number[];
  /** Versions whose weights stay on disk. */
  readonly needed: readonly number[];
  /** A version that answers a share of the conversations. */
  readonly canary?: ServedCanary | undefined;
}

/** Where nothing but the engine's own model is served. */
export const NONE_FOLLOWED: Followed = { versions: [], serving: 0, head: 0, previous: [], needed: [] };

/** That the weights of a version are on no disk any more. */
export interface RemovedWeights {
  readonly version: number;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** How a rollback goes: the weights of an earlier version are copied to a new number. */
export interface WayBack {
  readonly version: number;
  /** The version whose weights these are. */
  readonly weights: number;
  /** The version that serves now. */
  readonly from: number;
}

/** How to start again: from which versions it can be tried, the newest first. */
export interface WaysOn {
  /** The number that the copy is to have. */
  readonly version: number;
  readonly head: number;
  readonly serving: number;
  readonly candidates: readonly number[];
}

/** Weights that were copied to a new number, and so what is to be decided. */
export interface CopiedWeights extends WayBack {
  /** A restart's is the head from now on, and serves only where what served is lost. */
  readonly kind: 'rollback' | 'restart';
  /** Versions whose weights the trainer was found to have lost. */
  readonly lost?: readonly number[] | undefined;
}
