/**
 * Why an answer ended, in the words of any server. OpenAI's four are few, and servers have dozens of their own: a word
 * that is not known here is a fault, because nobody could say whether the answer is whole.
 */
import { garbage, type Party } from './fault.js';

/** The policy came to its end (with calls or without), or something ended it. */
export type Ended = 'stop' | 'length' | 'content_filter';

/** What servers write where they mean that there is no reason yet. */
const NOTHING = new Set(['', 'null', 'none', 'undefined', 'unspecified', 'finish_reason_unspecified']);

/** OpenAI's, vLLM's, TGI's, Anthropic's, Gemini's, Cohere's, Mistral's, Bedrock's, Zhipu's and Ollama's. */
const WORDS: Readonly<Record<Ended, readonly string[]>> = {
  stop: [
    ...['stop', 'stopped', 'stop_sequence', 'stop_token', 'end_turn', 'end_of_turn', 'eos', 'eos_token', 'eos_found'],
    ...['complete', 'completed', 'done', 'finished'],
    // Whether there are calls is seen from the calls.
    ...['tool_calls', 'tool_call', 'tool_use', 'function_call', 'function_calls'],
  ],
  length: [
    ...['length', 'max_tokens', 'max_output_tokens', 'max_new_tokens', 'max_completion_tokens', 'max_length'],
    ...['model_length', 'model_context_window_exceeded', 'context_length', 'context_length_exceeded', 'token_limit'],
    ...['truncated', 'incomplete', 'pause_turn', 'repetition', 'error_limit'],
  ],
  content_filter: [
    ...['content_filter', 'content_filtered', 'filtered', 'safety', 'image_safety', 'recitation', 'image_recitation'],
    ...['blocklist', 'blocked', 'prohibited_content', 'image_prohibited_content', 'spii', 'model_armor', 'sensitive'],
    ...['refusal', 'guardrail_intervened', 'moderation', 'content_policy', 'content_policy_violation', 'error_toxic'],
  ],
};
const MEANINGS = new Map(
  (Object.entries(WORDS) as [Ended, readonly string[]][]).flatMap(([ended, words]) =>
    words.map((word): [string, Ended] => [word, ended]),
  ),
);

/** Words for an answer that was given up. */
const GIVEN_UP =
  /abort|cancel|error|fail|timeout|resource|malformed|unexpected|overload|unavailable|too_many|language|other/;

/** The word a chunk ends its choice with; undefined where it only fills the field. */
export function finishWord(value: unknown): string | undefined {
  if (typeof value !== 'string') return typeof value === 'number' ? String(value) : undefined;
  return NOTHING.has(plain(value)) ? undefined : value;
}

/** Throws the engine's fault on a word that says, or may say, that the answer is not whole. */
export function endedBy(word: string, party: Party): Ended {
  const meaning = MEANINGS.get(plain(word));
  if (meaning !== undefined) return meaning;
  const why = JSON.stringify(word.slice(0, 100));
  throw garbage(
    GIVEN_UP.test(plain(word))
      ? `it gave the answer up (finish reason ${why})`
      : `it ended the answer with the finish reason ${why}, and whether the answer is whole is not known`,
    party,
  );
}

/** Of two words for one choice the one that says more: a server may end what it cut with `stop` as well. */
export function graver(before: string | undefined, word: string): string {
  return before === undefined || MEANINGS.get(plain(before)) === 'stop' ? word : before;
}

/** `FinishReason.MAX_TOKENS` and `max-tokens` are `max_tokens`. */
function plain(word: string): string {
  return word
    .slice(word.lastIndexOf('.') + 1)
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')
    .replace(/^finish_reason_(?!unspecified)/, '');
}
