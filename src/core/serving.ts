/** Which weights answer which model name. A request keeps the version it began with. */

/** A request's hold on one version. Until it is released the version's adapter stays loaded. */
export interface Lease {
  readonly version: number;
  /** The engine's own model name, sent upstream. */
  readonly engineModel: string;
  /** Hash of the chat template the engine renders with, when known. */
  readonly templateHash?: string;
  /** Idempotent. */
  release(): void;
}

/** The model a client may name, as `/v1/models` lists it. */
export interface ServedModel {
  readonly id: string;
  readonly version: number;
  readonly created: number;
}

export interface Serving {
  /** The version the alias `gyre` points at. */
  readonly version: number;
  /** `gyre`, `gyre@N`, `gyre@base`; loads a known version that the engine has dropped. Throws 404 `model_not_found` naming what exists. */
  lease(model: string, signal: AbortSignal): Promise<Lease>;
  models(): readonly ServedModel[];
}
