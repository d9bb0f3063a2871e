/** Whose an upstream is, by its host: the values that OpenTelemetry's conventions know for `gen_ai.provider.name`. */

const KNOWN: readonly (readonly [domain: string, provider: string])[] = [
  ['api.anthropic.com', 'anthropic'],
  ['api.cohere.ai', 'cohere'],
  ['api.cohere.com', 'cohere'],
  ['api.deepseek.com', 'deepseek'],
  ['api.groq.com', 'groq'],
  ['api.mistral.ai', 'mistral_ai'],
  ['api.perplexity.ai', 'perplexity'],
  ['api.x.ai', 'x_ai'],
  ['generativelanguage.googleapis.com', 'gcp.gemini'],
  ['aiplatform.googleapis.com', 'gcp.vertex_ai'],
  ['openai.azure.com', 'azure.ai.openai'],
  ['inference.ai.azure.com', 'azure.ai.inference'],
];

/**
 * `host` with or without a port. Who is not known speaks OpenAI's protocol, which is what the conventions name it by
 * then.
 */
export function providerAt(host: string): string {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  // A region or a customer stands before a dot, or before a hyphen as in `us-central1-aiplatform`.
  const found = KNOWN.find(([domain]) => name === domain || name.endsWith(`.${domain}`) || name.endsWith(`-${domain}`));
  return found?.[1] ?? 'openai';
}
