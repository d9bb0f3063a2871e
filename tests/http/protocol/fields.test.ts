/** The table of request fields is whole: everything OpenAI's own types name has a treatment, once. */
import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';

import { CHAT_FIELDS } from '../../../src/http/chat/fields.js';
import { parseChat } from '../../../src/http/chat/request.js';
import { Past } from '../../../src/http/protocol/past.js';
import { RESPONSES } from '../../../src/http/responses/face.js';
import { RESPONSE_FIELDS } from '../../../src/http/responses/fields.js';
import { fieldRows } from '../../../src/http/protocol/fields.js';

/** The compiler refuses this list when the SDK's types gain a field. */
const OPENAI = {
  messages: true,
  model: true,
  audio: true,
  frequency_penalty: true,
  function_call: true,
  functions: true,
  logit_bias: true,
  logprobs: true,
  max_completion_tokens: true,
  max_tokens: true,
  metadata: true,
  modalities: true,
  n: true,
  parallel_tool_calls: true,
  prediction: true,
  presence_penalty: true,
  prompt_cache_key: true,
  prompt_cache_retention: true,
  reasoning_effort: true,
  response_format: true,
  safety_identifier: true,
  seed: true,
  service_tier: true,
  stop: true,
  store: true,
  stream: true,
  stream_options: true,
  temperature: true,
  tool_choice: true,
  tools: true,
  top_logprobs: true,
  top_p: true,
  user: true,
  verbosity: true,
  web_search_options: true,
  moderation: true,
  prompt_cache_options: true,
} satisfies Record<keyof OpenAI.ChatCompletionCreateParams, true>;

/** As above. */
const OPENAI_RESPONSES = {
  background: true,
  context_management: true,
  conversation: true,
  include: true,
  input: true,
  instructions: true,
  max_output_tokens: true,
  metadata: true,
  model: true,
  moderation: true,
  parallel_tool_calls: true,
  previous_response_id: true,
  prompt: true,
  prompt_cache_key: true,
  prompt_cache_options: true,
  prompt_cache_retention: true,
  reasoning: true,
  safety_identifier: true,
  service_tier: true,
  store: true,
  stream: true,
  stream_options: true,
  temperature: true,
  text: true,
  tool_choice: true,
  tools: true,
  top_logprobs: true,
  top_p: true,
  truncation: true,
  user: true,
} satisfies Record<keyof OpenAI.Responses.ResponseCreateParams, true>;

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };

describe('the table of fields', () => {
  it.each([
    ['chat completions', CHAT_FIELDS, OPENAI],
    ['responses', RESPONSE_FIELDS, OPENAI_RESPONSES],
  ] as const)('of %s has every field of OpenAI, each once', (_name, table, fields) => {
    const names = fieldRows(table).map((row) => row.field);
    expect(names).toEqual([...new Set(names)]);
    for (const name of Object.keys(fields)) expect(names).toContain(name);
  });

  it.each(fieldRows(CHAT_FIELDS).filter((row) => row.treatment === 'refused'))(
    'refuses $field by name, with its reason',
    ({ field, note }) => {
      expect(() => parseChat({ ...ASK, [field]: [1] })).toThrow(`"${field}" is not supported. ${note}`);
      expect(() => parseChat({ ...ASK, [field]: null })).not.toThrow();
    },
  );

  it.each(fieldRows(RESPONSE_FIELDS).filter((row) => row.treatment === 'refused'))(
    'refuses $field of responses by name, with its reason',
    ({ field, note }) => {
      const parse = (value: unknown): unknown =>
        RESPONSES.parse(
          { model: 'gyre', input: 'q', [field]: value },
          new Past({ conversation: () => undefined, answer: () => undefined, withdrawn: () => false }, ''),
        );
      expect(() => parse([1])).toThrow(`"${field}" is not supported. ${note}`);
      expect(() => parse(null)).not.toThrow();
    },
  );

  it.each([
    { use_beam_search: false },
    { best_of: 1 },
    { echo: false },
    { length_penalty: 1 },
    { early_stopping: false },
    { functions: [] },
    { function_call: 'auto' },
    { function_call: 'none' },
    { logits_processors: [] },
    { vllm_xargs: {}, kv_transfer_params: {} },
    { return_prompt_text: false },
    { request_id: 'r' },
    { stream_options: { include_usage: true, continuous_usage_stats: true, include_tool_events: true } },
  ])('takes %j, which changes nothing', (more) => {
    expect(parseChat({ ...ASK, ...more })).toEqual(parseChat(ASK));
  });

  it.each([
    { use_beam_search: true },
    { best_of: 2 },
    { echo: true },
    { functions: [{ name: 'f' }] },
    { function_call: { name: 'f' } },
    { logits_processors: ['x'] },
    { vllm_xargs: { a: 1 } },
  ])('refuses %j, which would change the answer', (more) => {
    expect(() => parseChat({ ...ASK, ...more })).toThrow('is not supported');
  });

  it.each([
    ['reasoning', 'reasoning_effort'],
    ['thinking', 'chat_template_kwargs'],
    ['enable_thinking', 'chat_template_kwargs'],
    ['max_output_tokens', 'max_completion_tokens'],
    ['max_new_tokens', 'max_completion_tokens'],
    ['text', 'response_format'],
    ['output_config', 'response_format'],
    ['input', 'messages'],
    ['system', 'messages'],
    ['stop_sequences', 'stop'],
    ['random_seed', 'seed'],
    ['temprature', 'temperature'],
    ['max_token', 'max_tokens'],
    ['streem', 'stream'],
    ['cache_prompt_key', 'prompt_cache_key'],
    ['sampling_top_logprobs', 'top_logprobs'],
  ])('says for %s what it is called here: %s', (name, known) => {
    expect(() => parseChat({ ...ASK, [name]: 1 })).toThrow(`Did you mean "${known}"?`);
  });

  it('says how many stop texts there may be', () => {
    const stop = Array.from({ length: 17 }, (_, at) => `s${at}`);
    expect(() => parseChat({ ...ASK, stop })).toThrow(/"stop": has more than the 16 texts that are allowed/);
    expect(parseChat({ ...ASK, stop: stop.slice(1) }).sampling.stop).toHaveLength(16);
  });

  it('hands every forwarded field on and no ignored one', () => {
    const parsed = parseChat({
      ...ASK,
      response_format: { type: 'json_object' },
      cache_salt: 's',
      user: 'u',
      prediction: { type: 'content', content: 'x' },
    });
    expect(parsed.forwarded).toEqual({ response_format: { type: 'json_object' }, cache_salt: 's' });
  });

  it('takes an assistant message with whatever its own SDK wraps it in', () => {
    const echoed = {
      role: 'assistant',
      content: null,
      refusal: null,
      annotations: [],
      audio: null,
      function_call: null,
      reasoning_content: 'hm',
      tool_calls: [
        { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}', parsed_arguments: {} } },
      ],
    };
    expect(parseChat({ ...ASK, messages: [...ASK.messages, echoed] }).messages[1]).toEqual({
      role: 'assistant',
      content: null,
      reasoning: 'hm',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    });
  });
});
