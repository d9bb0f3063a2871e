/** The known field that was probably meant by an unknown one: what others call the same thing, else the most alike. */
import { editDistance, nearest } from '../../core/text/nearest.js';

/**
 * Each row is one thing by the names that protocols, servers and libraries have for it, the likelier meant first. A
 * name with a dot is a field within another.
 */
const SAME: readonly (readonly string[])[] = [
  ['max_output_tokens', 'max_completion_tokens', 'max_tokens', 'max_tokens_to_sample', 'max_new_tokens', 'max_length'],
  ['max_output_tokens', 'max_completion_tokens', 'max_tokens', 'num_predict', 'n_predict', 'maxOutputTokens'],
  ['messages', 'input', 'prompt', 'inputs', 'contents', 'history', 'conversation'],
  ['instructions', 'system', 'system_prompt', 'systemInstruction', 'preamble', 'messages', 'prompt'],
  ['response_format', 'text.format', 'output_config.format', 'output_format', 'text', 'format', 'json_schema'],
  ['response_format', 'text.format', 'output_config.format', 'responseSchema', 'output_config', 'schema'],
  ['structured_outputs', 'output_config.format', 'guided_json', 'guided_regex', 'guided_choice', 'guided_grammar'],
  ['structured_outputs', 'output_config.format', 'guided_decoding_backend', 'grammar', 'regex', 'ebnf'],
  ['reasoning_effort', 'reasoning.effort', 'output_config.effort', 'reasoning', 'effort', 'thinking_level'],
  ['thinking', 'chat_template_kwargs', 'enable_thinking', 'think', 'thinkingConfig'],
  ['thinking_token_budget', 'thinking.budget_tokens', 'thinking_budget', 'budget_tokens', 'reasoning_budget'],
  ['stop', 'stop_sequences', 'stopSequences', 'stop_strings'],
  ['verbosity', 'text.verbosity'],
  ['tools', 'functions', 'plugins', 'web_search_options', 'mcp_servers', 'toolConfig'],
  ['tool_choice', 'function_call', 'toolChoice'],
  ['parallel_tool_calls', 'tool_choice.disable_parallel_tool_use', 'disable_parallel_tool_use'],
  ['max_tool_calls', 'max_steps', 'max_turns'],
  ['n', 'num_return_sequences', 'candidate_count', 'best_of', 'num_completions'],
  ['top_logprobs', 'logprobs', 'return_logprob'],
  ['seed', 'random_seed', 'randomSeed'],
  ['repetition_penalty', 'repeat_penalty'],
  ['user', 'metadata.user_id', 'user_id', 'end_user'],
  ['previous_response_id', 'conversation_id', 'thread_id', 'session'],
  ['stream', 'streaming', 'incremental'],
  ['context_management', 'truncation', 'compaction'],
];

/** `known` names at least one. */
export function meantBy(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const same = sameAs(name, known);
  if (same !== undefined) return same;
  // A slip is nearer than a word in common.
  return editDistance(name, near) <= Math.min(2, name.length / 4) ? near : (sharing(name, known) ?? near);
}

function sameAs(name: string, known: readonly string[]): string | undefined {
  const isKnown = (each: string): boolean => known.includes(each.split('.')[0] ?? each);
  for (const row of SAME) {
    const found = row.includes(name) ? row.find(isKnown) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The nearest of those that share the most words with it. */
function sharing(name: string, known: readonly string[]): string | undefined {
  const words = wordsIn(name);
  const shared = known.map((each) => wordsIn(each).filter((word) => words.includes(word)).length);
  const most = Math.max(...shared);
  return most === 0
    ? undefined
    : nearest(
        name,
        known.filter((_, at) => shared[at] === most),
      );
}

/** A plural is the same word; a short one says nothing. */
function wordsIn(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .map((word) => word.replace(/s$/, ''))
    .filter((word) => word.length > 2);
}
