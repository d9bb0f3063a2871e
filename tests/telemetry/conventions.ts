/**
 * Names of OpenTelemetry's semantic conventions for generative AI, version 0.1.0, as far as they concern a gateway:
 * requests to a model, runs of an agent, calls of tools. They are taken from `docs/gen-ai/` and `docs/registry/` of
 * github.com/open-telemetry/semantic-conventions-genai at its tag v0.1.0 (client-inference.md, gen-ai-token-metrics.md,
 * gen-ai-metrics.md, execute-tool.md), and what came instead of what from its migration guide.
 */

/** Each with its instrument and its unit. */
export const METRICS: Readonly<Record<string, string>> = {
  'gen_ai.client.inference.duration': 'histogram s',
  'gen_ai.client.inference.time_to_first_chunk': 'histogram s',
  'gen_ai.client.inference.time_per_output_chunk': 'histogram s',
  'gen_ai.client.inference.usage.input_tokens': 'counter {token}',
  'gen_ai.client.inference.usage.output_tokens': 'counter {token}',
  'gen_ai.client.inference.usage.cache_read.input_tokens': 'counter {token}',
  'gen_ai.client.inference.usage.cache_write.input_tokens': 'counter {token}',
  'gen_ai.client.inference.usage.reasoning.output_tokens': 'counter {token}',
  'gen_ai.client.inference.operation.input_tokens': 'histogram {token}',
  'gen_ai.client.inference.operation.output_tokens': 'histogram {token}',
  'gen_ai.execute_tool.duration': 'histogram s',
  'gen_ai.invoke_agent.duration': 'histogram s',
  'gen_ai.invoke_agent.inference_calls': 'histogram {inference_call}',
  'gen_ai.invoke_agent.tool_calls': 'histogram {tool_call}',
  'gen_ai.server.request.duration': 'histogram s',
  'gen_ai.server.time_per_output_token': 'histogram s',
  'gen_ai.server.time_to_first_token': 'histogram s',
};

export const ATTRIBUTES: readonly string[] = [
  'gen_ai.agent.description',
  'gen_ai.agent.id',
  'gen_ai.agent.name',
  'gen_ai.agent.version',
  'gen_ai.conversation.compacted',
  'gen_ai.conversation.id',
  'gen_ai.input.messages',
  'gen_ai.operation.name',
  'gen_ai.output.messages',
  'gen_ai.output.type',
  'gen_ai.prompt.name',
  'gen_ai.prompt.version',
  'gen_ai.provider.name',
  'gen_ai.request.choice.count',
  'gen_ai.request.frequency_penalty',
  'gen_ai.request.max_tokens',
  'gen_ai.request.model',
  'gen_ai.request.presence_penalty',
  'gen_ai.request.previous_response.id',
  'gen_ai.request.reasoning.level',
  'gen_ai.request.seed',
  'gen_ai.request.stop_sequences',
  'gen_ai.request.stream',
  'gen_ai.request.temperature',
  'gen_ai.request.top_k',
  'gen_ai.request.top_p',
  'gen_ai.response.finish_reasons',
  'gen_ai.response.id',
  'gen_ai.response.model',
  'gen_ai.response.time_to_first_chunk',
  'gen_ai.system_instructions',
  'gen_ai.token.modality',
  'gen_ai.tool.call.arguments',
  'gen_ai.tool.call.id',
  'gen_ai.tool.call.result',
  'gen_ai.tool.definitions',
  'gen_ai.tool.description',
  'gen_ai.tool.name',
  'gen_ai.tool.type',
  'gen_ai.usage.cache_read.input_tokens',
  'gen_ai.usage.cache_write.input_tokens',
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.output_tokens',
  'gen_ai.usage.reasoning.output_tokens',
];

/** Names of the general conventions (1.45.0) that those for generative AI use, and those for HTTP. */
export const GENERAL: readonly string[] = [
  'error.type',
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'server.address',
  'server.port',
  'url.path',
  'url.scheme',
];

/** What inference had before, up to 1.41.0 of the general conventions, and nothing may be called any more. */
export const GONE: readonly string[] = [
  'gen_ai.client.token.usage',
  'gen_ai.client.operation.duration',
  'gen_ai.client.operation.time_to_first_chunk',
  'gen_ai.client.operation.time_per_output_chunk',
  'gen_ai.token.type',
  'gen_ai.usage.cache_creation.input_tokens',
  'gen_ai.usage.prompt_tokens',
  'gen_ai.usage.completion_tokens',
  'gen_ai.system',
  'gen_ai.prompt',
  'gen_ai.completion',
];

/** What the span of an agent that runs in its caller's process has not any more, which the span of a client has. */
export const NOT_OF_AN_AGENT: readonly string[] = [
  'gen_ai.agent.id',
  'gen_ai.agent.version',
  'gen_ai.provider.name',
  'gen_ai.usage.cache_read.input_tokens',
  'gen_ai.usage.cache_write.input_tokens',
];
