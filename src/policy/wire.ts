/** A policy request as vLLM takes it. The only place that knows the engine's field names. */
import { objectJson } from '../core/arguments.js';
import type { Message, WireToolCall } from '../core/message.js';
import type { FunctionSpec, PolicyRequest, Prompt, ToolChoice } from '../core/policy.js';

/** The JSON body. `tokenIds` asks for token ids, which a plain OpenAI upstream would refuse. */
export function requestBody(request: PolicyRequest, tokenIds: boolean): string {
  const { tools } = request;
  return JSON.stringify({
    model: request.model,
    messages: request.messages.map(wireMessage),
    ...(tools.length === 0 // newer engines refuse an empty list
      ? {}
      : {
          tools: tools.map(wireTool),
          tool_choice: wireChoice(request.toolChoice),
          ...(request.parallelToolCalls === undefined ? {} : { parallel_tool_calls: request.parallelToolCalls }),
        }),
    ...request.sampling,
    ...(request.n === undefined || request.n === 1 ? {} : { n: request.n }),
    logprobs: true,
    ...(request.topLogprobs === undefined || request.topLogprobs === 0 ? {} : { top_logprobs: request.topLogprobs }),
    ...request.forwarded,
    ...(tokenIds ? { return_token_ids: true } : {}),
    stream: true,
    stream_options: { include_usage: true },
  });
}

/** The same prompt for vLLM's `/tokenize`, which renders it and draws nothing. */
export function promptBody({ model, messages, tools, forwarded }: Prompt): string {
  return JSON.stringify({
    model,
    messages: messages.map(wireMessage),
    ...(tools.length === 0 ? {} : { tools: tools.map(wireTool) }),
    add_generation_prompt: true,
    ...forwarded,
  });
}

function wireTool(spec: FunctionSpec): { readonly type: 'function'; readonly function: FunctionSpec } {
  return { type: 'function', function: spec };
}

function wireChoice(choice: ToolChoice): unknown {
  return typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } };
}

/** Templates know no `developer`, and vLLM parses the arguments in the history: malformed ones would fail the whole request. */
function wireMessage(message: Message): Message {
  if (message.role === 'developer') return { ...message, role: 'system' };
  if (message.role !== 'assistant' || message.tool_calls === undefined) return message;
  return message.tool_calls.every((call) => repaired(call) === call) ? message : { ...message, tool_calls: message.tool_calls.map(repaired) };
}

function repaired(call: WireToolCall): WireToolCall {
  const mended = objectJson(call.function.arguments);
  return mended === call.function.arguments ? call : { ...call, function: { ...call.function, arguments: mended } };
}
