/** What the streamed and the whole form of a chat completion share: its head, and the fields both spell alike. */
import type { TokenLogprob } from '../../core/policy.js';
import { type Ending, NO_VERSION } from '../../core/trajectory.js';
import type { CompletionHead } from '../protocol/face.js';

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
