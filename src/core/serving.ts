/** Which weights answer which model name. A request keeps the version it began with. */
import type { Policy } from './policy.js';

/**
 * Whether a model name is one of the policy's own: `gyre`, `gyre@N`, `gyre@base`. Every other name is an upstream's.
 */
export function isPolicyName(model: string): boolean {
  return model === 'gyre' || model.startsWith('gyre@');
}

/** What a client asked of an answer's form, which the policy's own engine is told in another way or always. */
export interface Wanted {
  readonly tokenIds: boolean;
  /** The client's own word for the bound of an action. */
  readonly limitField: LimitField;
}

export type LimitField = 'max_tokens' | 'max_completion_tokens';

/** A request's hold on one version. Until it is released the version's adapter stays loaded. */
export interface Lease {
  /** `NO_VERSION` where an upstream answers. */
  readonly version: number;
  /** The engine's own model name. */
  readonly engineModel: string;
  /** Hash of the chat template the engine renders with, when known. */
  readonly templateHash?: string | undefined;
  /** Who samples in place of the policy's own engine, where an upstream does. */
  readonly upstream?: ((wanted: Wanted) => Policy) | undefined;
  /** The upstream's host. */
  readonly host?: string | undefined;
  /** Idempotent. */
  release(): void;
}

/** The model a client may name, as `/v1/models` lists it. */
export interface ServedModel {
  readonly id: string;
  readonly created: number;
  /** Absent for an upstream's model: it is no version of the policy. */
  readonly version?: number | undefined;
  /** The upstream's host; absent for the gateway's own. */
  readonly owner?: string | undefined;
}

export interface Serving {
  /** The version the alias `gyre` points at. */
  readonly version: number;
  /**
   * `gyre`, `gyre@N`, `gyre@base`, or an upstream's name; loads a known version that the engine has dropped. Throws 404
   * `model_not_found` naming what exists.
   */
  lease(model: string, signal: AbortSignal): Promise<Lease>;
  models(): readonly ServedModel[];
}
