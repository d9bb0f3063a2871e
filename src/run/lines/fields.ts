/** The fields a line of the log may have: an allow-list. */

export type Env = Readonly<Record<string, string | undefined>>;

/** Every field a line may have. What is asked or said, and whose key it was, is in none of them. */
export const FIELDS = [
  'request_id',
  'route',
  'status',
  'model',
  'upstream',
  'policy_version',
  'trajectory',
  'outcome',
  'stop_reason',
  'error',
  'delivery',
  'ms',
  'first_token_ms',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'tool_calls',
  'url',
  'version',
  'pid',
  'telemetry',
  'from',
  'to',
  'seconds',
  'cycle',
  'state',
  'stage',
  'base_version',
  'kind',
  'against',
  'passed',
  'reason',
] as const;

export type Fields = { readonly [Name in (typeof FIELDS)[number]]?: string | number | boolean | undefined };
