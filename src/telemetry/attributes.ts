/**
 * Every attribute telemetry may carry, by the names of OpenTelemetry's conventions for generative AI, version 0.1.0. It
 * is an allow-list: what is not in it cannot be set, and the content of conversations is in a list of its own.
 */
import type { Attributes as Exported } from '@opentelemetry/api';

/** Names, numbers, and words of this gateway: carried always. */
export const PLAIN = [
  'error.type',
  'gen_ai.agent.name',
  'gen_ai.conversation.id',
  'gen_ai.operation.name',
  'gen_ai.output.type',
  'gen_ai.provider.name',
  'gen_ai.request.choice.count',
  'gen_ai.request.frequency_penalty',
  'gen_ai.request.max_tokens',
  'gen_ai.request.model',
  'gen_ai.request.presence_penalty',
  'gen_ai.request.seed',
  'gen_ai.request.stream',
  'gen_ai.request.temperature',
  'gen_ai.request.top_k',
  'gen_ai.request.top_p',
  'gen_ai.response.finish_reasons',
  'gen_ai.response.id',
  'gen_ai.response.model',
  'gen_ai.response.time_to_first_chunk',
  'gen_ai.token.modality',
  'gen_ai.tool.call.id',
  'gen_ai.tool.name',
  'gen_ai.tool.type',
  'gen_ai.usage.cache_read.input_tokens',
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.output_tokens',
  'gen_ai.usage.reasoning.output_tokens',
  'gyre.delivery',
  'gyre.outcome',
  'gyre.policy.version',
  'gyre.request.id',
  'gyre.stop_reason',
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'url.path',
  'url.scheme',
] as const;

/**
 * Content: carried only where the operator asks for it. A client's stop sequences are its own words too, though
 * the conventions do not count them as such.
 */
export const CONTENT = [
  'gen_ai.input.messages',
  'gen_ai.output.messages',
  'gen_ai.request.stop_sequences',
  'gen_ai.system_instructions',
  'gen_ai.tool.call.arguments',
  'gen_ai.tool.call.result',
  'gen_ai.tool.definitions',
] as const;

export type PlainAttributes = {
  readonly [Name in (typeof PLAIN)[number]]?: string | number | boolean | readonly string[] | undefined;
};
export type ContentAttributes = {
  readonly [Name in (typeof CONTENT)[number]]?: string | readonly string[] | undefined;
};

/** Without what is undefined. */
export function present(attributes: PlainAttributes | ContentAttributes): Exported {
  const out: Record<string, string | number | boolean | string[]> = {};
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) out[name] = typeof value === 'object' ? [...value] : value;
  return out;
}
