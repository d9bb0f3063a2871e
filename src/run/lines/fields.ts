/** The fields a line of the operator's log may have: an allow-list, so that no content gets there by accident. */

export type Env = Readonly<Record<string, string | undefined>>;

/** None of them holds the content of a message, or says whose key it was. */
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
  'alarm',
  'judge',
  'waiting',
  'value',
  'bound',
  'passed',
  'reason',
  'trajectories',
  'steps',
  'batches',
] as const;

export type Fields = { readonly [Name in (typeof FIELDS)[number]]?: string | number | boolean | undefined };
