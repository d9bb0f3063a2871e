/** What the streamed and the whole form of a chat completion share: its head, and the fields both spell alike. */
import type { Beside, TokenLogprob } from '../../core/policy.js';
import { isObject, writeJson } from '../../core/text/json.js';
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
  const tools =
    toolUse.requested === 0 && toolUse.left_out === undefined
      ? '{"requested":0,"executed":0,"by_tool":{}}'
      : JSON.stringify(toolUse);
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

/** Fields as they stand inside an object, each after a comma. */
export function moreFields(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `,${JSON.stringify(name)}:${writeJson(value)}`)
    .join('');
}

/** Of a call's own fields the one its client sends back, and its upstream goes on with. */
export function extraContent(own: Readonly<Record<string, unknown>> | undefined): string {
  const extra = own?.['extra_content'];
  return extra === undefined ? '' : moreFields({ extra_content: extra });
}

/** Adds what came beside the text: to lists what they lack, to sound its next piece. */
export function addBeside(into: Record<string, unknown>, fields: Beside): void {
  for (const [name, value] of Object.entries(fields)) {
    const before = into[name];
    if (Array.isArray(value) && Array.isArray(before)) {
      const known = new Set(before.map(writeJson));
      into[name] = [...(before as unknown[]), ...(value as unknown[]).filter((item) => !known.has(writeJson(item)))];
    } else if (isObject(value) && isObject(before)) {
      const joined = { ...before, ...value };
      for (const piece of ['data', 'transcript'])
        if (typeof before[piece] === 'string' && typeof value[piece] === 'string')
          joined[piece] = `${before[piece]}${value[piece]}`;
      into[name] = joined;
    } else into[name] = value;
  }
}
