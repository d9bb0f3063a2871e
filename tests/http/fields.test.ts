/** The table of request fields is whole: everything OpenAI's own types name has a treatment, once. */
import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';

import { fieldTable } from '../../src/http/fields.js';
import { parseChat } from '../../src/http/openai.js';

/** The compiler refuses this list when the SDK's types gain a field. */
const OPENAI = {
  messages: true, model: true, audio: true, frequency_penalty: true, function_call: true, functions: true, logit_bias: true, logprobs: true, max_completion_tokens: true, max_tokens: true,
  metadata: true, modalities: true, n: true, parallel_tool_calls: true, prediction: true, presence_penalty: true, prompt_cache_key: true, prompt_cache_retention: true, reasoning_effort: true,
  response_format: true, safety_identifier: true, seed: true, service_tier: true, stop: true, store: true, stream: true, stream_options: true, temperature: true, tool_choice: true, tools: true,
  top_logprobs: true, top_p: true, user: true, verbosity: true, web_search_options: true, moderation: true, prompt_cache_options: true,
} satisfies Record<keyof OpenAI.ChatCompletionCreateParams, true>;

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };

describe('the table of fields', () => {
  it('has every field of OpenAI, each once', () => {
    const names = fieldTable().map((row) => row.field);
    expect(names).toEqual([...new Set(names)]);
    for (const name of Object.keys(OPENAI)) expect(names).toContain(name);
  });

  it.each(fieldTable().filter((row) => row.treatment === 'refused'))('refuses $field by name, with its reason', ({ field, note }) => {
    expect(() => parseChat({ ...ASK, [field]: 1 })).toThrow(`"${field}" is not supported. ${note}`);
    expect(() => parseChat({ ...ASK, [field]: null })).not.toThrow();
  });

  it('hands every forwarded field on and no ignored one', () => {
    const parsed = parseChat({ ...ASK, response_format: { type: 'json_object' }, cache_salt: 's', user: 'u', prediction: { type: 'content', content: 'x' } });
    expect(parsed.forwarded).toEqual({ response_format: { type: 'json_object' }, cache_salt: 's' });
  });

  it('takes an assistant message with whatever its own SDK wraps it in', () => {
    const echoed = { role: 'assistant', content: null, refusal: null, annotations: [], audio: null, function_call: null, reasoning_content: 'hm', tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}', parsed_arguments: {} } }] };
    expect(parseChat({ ...ASK, messages: [...ASK.messages, echoed] }).messages[1]).toEqual({ role: 'assistant', content: null, reasoning: 'hm', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] });
  });
});
