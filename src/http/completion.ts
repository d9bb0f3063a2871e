/** What the streamed and the whole form of a chat completion share: its head, and the fields both spell alike. */
import type { TokenLogprob } from '../core/policy.js';
import type { Ending } from '../core/trajectory.js';

/** Everything about a completion that is known before its first token. */
export interface CompletionHead {
  readonly id: string;
  /** Seconds. */
  readonly created: number;
  readonly model: string;
  readonly policyVersion: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the client asked for logprobs and for token ids: what the gateway asked for itself is never shown. */
  readonly logprobs: boolean;
  readonly tokenIds: boolean;
}

export function fingerprint(head: CompletionHead): string {
  return `gyre-${head.policyVersion}`;
}

/** Usage summed over all steps. */
export function wireUsage(ending: Ending): Record<string, unknown> {
  const { usage, toolUse } = ending;
  return {
    prompt_tokens: usage.prompt_tokens,
    completion_tokens: usage.completion_tokens,
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
    prompt_tokens_details: { cached_tokens: usage.cached_tokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
    server_tool_use: toolUse,
  };
}

export function wireLogprobs(entries: readonly TokenLogprob[]): { readonly content: readonly TokenLogprob[]; readonly refusal: null } {
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
