/** What the streamed and the whole form of a chat completion share: its head, and the fields both spell alike. */
import type { TokenLogprob } from '../core/policy.js';
import { NO_VERSION, type Ending } from '../core/trajectory.js';

/** Everything about a completion that is known before its first token. */
export interface CompletionHead {
  readonly id: string;
  /** Seconds. */
  readonly created: number;
  readonly model: string;
  /** `NO_VERSION` where an upstream answers. */
  readonly policyVersion: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the client asked for logprobs and for token ids: what the gateway asked for itself is never shown. */
  readonly logprobs: boolean;
  readonly tokenIds: boolean;
}

/** As JSON. What an upstream runs on is not known here. */
export function fingerprint(head: CompletionHead): string {
  return head.policyVersion === NO_VERSION ? 'null' : `"gyre-${head.policyVersion}"`;
}

/** Usage summed over all steps, as JSON text. */
export function wireUsage({ usage, toolUse }: Ending): string {
  const {
    prompt_tokens: prompt,
    completion_tokens: completion,
    cached_tokens: cached,
    reasoning_tokens: reasoning,
  } = usage;
  const tools = toolUse.requested === 0 ? '{"requested":0,"executed":0,"by_tool":{}}' : JSON.stringify(toolUse);
  return (
    `{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion},` +
    `"prompt_tokens_details":{"cached_tokens":${cached}},"completion_tokens_details":{"reasoning_tokens":` +
    `${reasoning}},"server_tool_use":${tools}}`
  );
}

export function wireLogprobs(entries: readonly TokenLogprob[]): {
  readonly content: readonly TokenLogprob[];
  readonly refusal: null;
} {
  return { content: entries, refusal: null };
}

/** The limit of the loop that ended the answer, where one did: `finish_reason` can only say "length". */
export function limitOf(ending: Ending): { readonly stop_reason: string } | undefined {
  switch (ending.stopReason) {
    case 'max_steps':
    case 'max_tool_calls':
    case 'deadline':
    case 'tool_errors':
    case 'repeated_call':
      return { stop_reason: ending.stopReason };
    default:
      return undefined;
  }
}
