/** What an API key stands for: its role, and how much it may ask. */
export type Role = 'client' | 'admin';

/** A request may begin while the key is below every bound it has; what is absent is not bounded. */
export interface KeyLimits {
  /** Requests begun in any 60 seconds. */
  readonly requestsPerMinute?: number | undefined;
  /** Tokens of answers that ended in any 60 seconds: prompt and completion of every step. */
  readonly tokensPerMinute?: number | undefined;
  /** Requests being answered at once. */
  readonly concurrent?: number | undefined;
  /** The same tokens in one month of UTC. */
  readonly monthlyTokens?: number | undefined;
}

export const KEY_LIMITS = [
  'requestsPerMinute',
  'tokensPerMinute',
  'concurrent',
  'monthlyTokens',
] as const satisfies readonly (keyof KeyLimits)[];

/** A key as far as its requests go. */
export interface Key {
  readonly id: string;
  readonly role: Role;
  /** Consent of everything this key asks. */
  readonly train: boolean;
  /** Server tools it may use and is offered by default; absent means the gateway's default, and any by name. */
  readonly tools?: readonly string[] | undefined;
  /** Absent when nothing is bounded, so that such a key costs nothing to admit. */
  readonly limits?: KeyLimits | undefined;
}

/** The keys of a gateway, as far as it knows them: they lie in rows that other processes change. */
export interface Keys {
  /**
   * Whether any key was ever made. While false, every bearer token is accepted; a gateway whose last key was revoked
   * stays closed.
   */
  required(): boolean;
  /** The unrevoked key of a secret. Must compare hashes, never secrets. */
  find(secret: string): Key | undefined;
  /** Undefined while what is known is young; else resolves when it is again. Rejects with a 503 where it cannot be. */
  fresh(): Promise<void> | undefined;
  /**
   * Resolves when everything is known that was a row when this was called. Rejects with a 429 where too many wait for
   * that, and with a 503 where the rows cannot be read.
   */
  renewed(): Promise<void>;
  /** Tokens a key has used this month, through any gateway on this data folder. */
  spent(keyId: string): Promise<number>;
  /** Counts a request of a key that is not logged, and the tokens it took. Absent where nobody counts. */
  count?(keyId: string, tokens: number): void;
}

/** Every key in use, by the hash of its secret. */
export interface KeyList {
  /** Equal stamps, equal lists. */
  readonly stamp: string;
  /** Whether any key was ever made, revoked ones among them. */
  readonly any: boolean;
  readonly keys: readonly (readonly [hash: string, key: Key])[];
}

/** Where keys and their use are kept. */
export interface KeyRows {
  /** Undefined where the list is still the one with this stamp. */
  keys(seen: string | undefined): Promise<KeyList | undefined>;
  /** Tokens used in the month of `at`. */
  spent(keyId: string, at: number): Promise<number>;
  count(keyId: string, at: number, tokens: number): Promise<void>;
}
