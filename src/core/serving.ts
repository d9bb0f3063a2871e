/** Which weights answer which model name. A request keeps the version it began with. */
import type { Message } from './message.js';
import type { Policy, Sampling, TokenCounter } from './policy.js';

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

/** Whose answer it is: a version's of the policy, or an upstream's, which is no version of it. */
export type Source =
  { readonly kind: 'policy'; readonly version: number } | { readonly kind: 'upstream'; readonly host: string };

/** The version of the policy that answers; undefined where an upstream does. */
export function versionOf(source: Source): number | undefined {
  return source.kind === 'policy' ? source.version : undefined;
}

/** How the policy is drawn from where a request does not say. */
export interface SamplingDefaults {
  /** By the configuration, else by the model's own `generation_config.json`. */
  readonly sampling: Sampling;
  /** The engine was given by address: what is not said here either, it draws by defaults of its own. */
  readonly hosted: boolean;
}

/** A request that is no conversation, for an upstream to answer as it stands. */
export interface Relayed {
  /** As the client asked for it, e.g. `/v1/embeddings`: plain words between slashes. */
  readonly path: string;
  readonly contentType: string;
  readonly accept: string | undefined;
  readonly body: Uint8Array;
  readonly requestId: string;
}

/** A good reply: its head is there, its body comes. */
export interface RelayReply {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Throws {@link GyreError} with the side `engine` for every other reply. */
export type Relay = (request: Relayed, signal: AbortSignal) => Promise<RelayReply>;

/** A request's hold on what answers it. Until it is released a version's adapter stays loaded. */
export interface Lease {
  readonly source: Source;
  /** The model by the name it has where it runs: the engine's, or the upstream's own. */
  readonly engineModel: string;
  /** Hash of the chat template the engine renders with, when known. */
  readonly templateHash?: string | undefined;
  /** Absent where an upstream answers, and where nothing is known: then a request is sent as it is. */
  readonly defaults?: SamplingDefaults | undefined;
  /** Who samples, told what the client wanted of the answer's form. */
  policy(wanted: Wanted): Policy;
  /** Who counts the tokens of a prompt. An upstream cannot be asked: it throws 400. */
  readonly counter: TokenCounter;
  /** Where an upstream answers: passes on what is no conversation. */
  readonly relay?: Relay | undefined;
  /** Idempotent. */
  release(): void;
}

/** The model a client may name, as `/v1/models` lists it. */
export interface ServedModel {
  readonly id: string;
  readonly created: number;
  readonly source: Source;
}

export interface Serving {
  /** The version the alias `gyre` points at. */
  readonly version: number;
  /**
   * `gyre`, `gyre@N`, `gyre@base`, or an upstream's name; loads a known version that the engine has dropped. Throws 404
   * `model_not_found` naming what exists. `messages`: the conversation that is to be answered; a canary answers some.
   */
  lease(model: string, signal: AbortSignal, messages?: readonly Message[]): Promise<Lease>;
  models(): readonly ServedModel[];
}
