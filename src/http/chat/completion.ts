/** What the streamed and the whole form of a chat completion share: its head, and the fields both spell alike. */
import type { TokenLogprob } from '../../core/policy.js';
import type { Ending } from '../../core/trajectory.js';
import type { AnswerHead, AnswerSettings } from '../protocol/face.js';

/** `system_fingerprint` as JSON text: the policy's version, or null, because an upstream's is not known here. */
export function fingerprint({ source }: AnswerHead): string {
  return source.kind === 'policy' ? `"gyre-${source.version}"` : 'null';
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

/** The fields that tell what was reasoned, as JSON text: one, unless the operator wants both names that are in use. */
export function wireReasoning(text: string, { reasoningFields }: Pick<AnswerSettings, 'reasoningFields'>): string {
  const json = JSON.stringify(text);
  return reasoningFields.map((name) => `"${name}":${json}`).join(',');
}
