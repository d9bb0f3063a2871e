/**
 * Whether a step's action can be trained on: the first reason why not. Training weighs an action by the ratio of its
 * probability now to the recorded one, which is only right where the action was drawn from the whole distribution:
 * nothing masked, truncated or tilted.
 */
import { isObjectJson } from '../core/text/arguments.js';
import type { Action, FunctionSpec, PolicyRequest, Sampling } from '../core/policy.js';
import { hasMedia } from '../core/media.js';
import type { NotTrainable } from '../core/trajectory.js';

/** Forwarded fields by which vLLM masks tokens ("structured outputs" in its documentation). */
const MASKING_FIELDS = [
  'structured_outputs',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structural_tag',
  'thinking_token_budget',
  'allowed_token_ids',
];
/** Forwarded fields that leave tokens out of the distribution. */
const TRUNCATING_FIELDS = ['bad_words'];

export function notTrainable(
  request: PolicyRequest,
  action: Action,
  withheld: NotTrainable | undefined,
): NotTrainable | undefined {
  if (request.raw !== undefined) return 'raw_prompt';
  if (action.promptTokenIds === undefined || action.tokenIds === undefined) return 'no_token_ids';
  if (action.logprobs === undefined) return 'no_logprobs';
  if (hasMedia(request.messages)) return 'media';
  if (request.forwarded?.['chat_template'] !== undefined) return 'control_text';
  if (isConstrained(request)) return 'constrained';
  if (isDistorted(request.sampling, request.forwarded ?? {})) return 'truncated_sampling';
  if (action.cut) return 'cut';
  if (action.finishReason === 'content_filter') return 'content_filter';
  if (action.calls.some((call) => !isObjectJson(call.arguments))) return 'malformed_call';
  if (action.tokenIds.length === 0) return 'empty';
  return withheld;
}

function isConstrained(request: PolicyRequest): boolean {
  const forwarded = request.forwarded ?? {};
  const format = forwarded['response_format'] as { readonly type?: unknown } | null | undefined;
  if (format !== undefined && format !== null && format.type !== 'text') return true;
  if (MASKING_FIELDS.some((name) => forwarded[name] !== undefined)) return true;
  if (request.tools.length === 0) return false;
  if (request.toolChoice === 'required' || typeof request.toolChoice === 'object') return true;
  // vLLM constrains the arguments of strict tools to their schema even under `auto`.
  return request.toolChoice === 'auto' && request.tools.some((tool: FunctionSpec) => tool.strict === true);
}

function isDistorted(sampling: Sampling, forwarded: Readonly<Record<string, unknown>>): boolean {
  return (
    // Greedy: the recorded probability of every token is 1, whatever the model gave it.
    (sampling.temperature ?? 1) === 0 ||
    (sampling.top_p ?? 1) < 1 ||
    (sampling.top_k ?? 0) > 0 ||
    (sampling.min_p ?? 0) > 0 ||
    (sampling.presence_penalty ?? 0) !== 0 ||
    (sampling.frequency_penalty ?? 0) !== 0 ||
    (sampling.repetition_penalty ?? 1) !== 1 ||
    (sampling.min_tokens ?? 0) > 0 ||
    Object.keys(sampling.logit_bias ?? {}).length > 0 ||
    TRUNCATING_FIELDS.some((name) => forwarded[name] !== undefined)
  );
}
