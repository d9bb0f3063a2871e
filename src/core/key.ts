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
