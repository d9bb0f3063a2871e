/** What a request of the Responses API says, and what becomes of it: used, passed on, given back or refused. */
import { afterEach, describe, expect, it } from 'vitest';

import type { Reply } from '../../fakes/engine.js';
import { startAsking, type Asking } from './asking.js';

let asking: Asking;
afterEach(async () => asking.gateway.close());
const start = async (...replies: Reply[]): Promise<Asking> => (asking = await startAsking(replies));

describe('include', () => {
  it('takes everything the API knows; there is nothing encrypted to give', async () => {
    const { ask } = await start({ reasoning: 'Hm.', text: 'Four.' });
    const include = ['reasoning.encrypted_content', 'web_search_call.action.sources', 'code_interpreter_call.outputs'];
    const { status, body } = await ask({ include, store: false });
    expect(status).toBe(200);
    expect(body.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Hm.' }] },
      { content: [{ text: 'Four.', logprobs: [] }] },
    ]);
  });

  it('refuses what it does not know, with the nearest', async () => {
    const { ask } = await start({});
    const { status, body } = await ask({ include: ['message.output_text.logprob'] });
    expect([status, body.error?.param]).toEqual([400, 'include.0']);
    expect(body.error?.message).toContain('"message.output_text.logprobs"');
  });

  it.each([
    [{ include: ['message.output_text.logprobs'] }, 0],
    [{ include: ['message.output_text.logprobs'], top_logprobs: 3 }, 3],
    [{ top_logprobs: 2 }, 2],
  ])('gives logprobs where %j asks for them, whole and streamed', async (asked, top) => {
    const { ask, events, sent } = await start({ text: ['Four', '.'] });
    const { body } = await ask(asked);
    expect(sent()).toMatchObject({ logprobs: true });
    const [message] = body.output as { content: { text: string; logprobs: Record<string, unknown>[] }[] }[];
    const entries = message?.content[0]?.logprobs ?? [];
    expect(entries.map(({ token }) => token).join('')).toContain('Four.');
    for (const entry of entries) {
      expect(entry).toMatchObject({ logprob: expect.any(Number) as number, bytes: expect.any(Array) as unknown[] });
      expect(entry['top_logprobs']).toHaveLength(top);
    }
    expect(body['top_logprobs']).toBe(top);
    const seen = await events(asked);
    const deltas = seen.filter(({ type }) => type === 'response.output_text.delta');
    expect(deltas.flatMap(({ logprobs }) => logprobs as unknown[])).toHaveLength(entries.length);
    expect(seen.find(({ type }) => type === 'response.output_text.done')?.['logprobs']).toHaveLength(entries.length);
  });

  it('gives none where none were asked for', async () => {
    const { ask } = await start({ text: ['Four', '.'] });
    expect((await ask({})).body.output).toMatchObject([{ content: [{ logprobs: [] }] }]);
  });
});

it('hints are taken, and given back where the object has them', async () => {
  const { ask, sent } = await start({ text: 'ok' });
  const echoed = {
    prompt_cache_key: 'k',
    prompt_cache_retention: '24h',
    safety_identifier: 's',
    truncation: 'auto',
    service_tier: 'flex',
    user: 'u',
    max_tool_calls: 3,
    parallel_tool_calls: false,
    metadata: { a: 'b' },
  };
  const { status, body } = await ask({
    ...echoed,
    client_metadata: { installation: 'x' },
    prompt_cache_options: { ttl: '1h' },
    text: { verbosity: 'low' },
    reasoning: { effort: 'low', summary: 'detailed' },
    context_management: [{ type: 'compaction', compact_threshold: 100_000 }],
    stream_options: { include_obfuscation: false },
    background: false,
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    ...echoed,
    text: { format: { type: 'text' }, verbosity: 'low' },
    reasoning: { effort: 'low', summary: 'detailed' },
  });
  for (const name of ['prompt_cache_key', 'user', 'client_metadata', 'truncation', 'service_tier', 'verbosity'])
    expect(sent()).not.toHaveProperty(name);
});

it('an answer says everything its schema wants, of a request that said nothing', async () => {
  const { ask } = await start({ text: 'ok' });
  const { body } = await ask({ tools: [{ type: 'function', name: 'f' }] });
  expect(body).toMatchObject({
    id: expect.stringMatching(/^resp_[0-9a-z]+$/) as string,
    output: [{ id: expect.stringMatching(/^msg_/) as string }],
    completed_at: expect.any(Number) as number,
    presence_penalty: 0,
    frequency_penalty: 0,
    service_tier: 'default',
    truncation: 'disabled',
    prompt_cache_key: null,
    safety_identifier: null,
    tools: [{ type: 'function', name: 'f', description: null, parameters: null, strict: null }],
    usage: { input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 } },
  });
  expect(body).not.toHaveProperty('user');
  expect(body).not.toHaveProperty('gyre');
});

it("vLLM's own fields go to the engine, as those of Chat Completions do", async () => {
  const { ask, sent } = await start({ text: 'ok' });
  const fields = {
    top_k: 5,
    min_p: 0.1,
    seed: 7,
    repetition_penalty: 1.1,
    presence_penalty: 0.5,
    frequency_penalty: -0.5,
    stop: ['END'],
    logit_bias: { '5': 1 },
    min_tokens: 1,
    ignore_eos: false,
    chat_template_kwargs: { enable_thinking: false },
    structured_outputs: { choice: ['a', 'b'] },
    cache_salt: 'x',
  };
  const { status, body } = await ask(fields);
  expect(status).toBe(200);
  expect(sent()).toMatchObject(fields);
  expect(body).toMatchObject({ presence_penalty: 0.5, frequency_penalty: -0.5 });
});

it.each([
  [{ background: true }, 'background', 'must be false'],
  [{ conversation: 'conv_1' }, 'conversation', 'previous_response_id'],
  [{ prompt: { id: 'pmpt_1' } }, 'prompt', 'no stored prompts'],
  [{ context_management: [{ type: 'clear_tool_uses' }] }, 'context_management.0.type', 'compaction'],
  [{ top_logprobs: 21 }, 'top_logprobs', '20'],
  [{ truncation: 'middle' }, 'truncation', 'auto'],
  [{ text: { verbosity: 'loud' } }, 'text.verbosity', 'low'],
  [{ max_tokens: 5 }, 'max_tokens', 'Send "max_output_tokens"'],
  [{ clientmetadata: {} }, 'clientmetadata', '"client_metadata"'],
])('%j is refused by name', async (wrong, param, says) => {
  const { ask, gateway } = await start({ text: 'ok' });
  const { status, body } = await ask(wrong);
  expect([status, body.error?.param]).toEqual([400, param]);
  expect(body.error?.message).toContain(says);
  expect(gateway.engine.requests).toHaveLength(0);
});

describe('an end that is no completion', () => {
  it('has a reason the schema knows, and the item that was cut is incomplete', async () => {
    const { ask } = await start({ text: 'Half', finish: 'length' }, { text: 'Bad', finish: 'content_filter' });
    expect((await ask({})).body).toMatchObject({
      status: 'incomplete',
      completed_at: null,
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ status: 'incomplete' }],
    });
    expect((await ask({})).body).toMatchObject({ incomplete_details: { reason: 'content_filter' } });
  });

  it('in a stream is an event with the error flat and nested, then the failed response', async () => {
    const { events } = await start({ text: ['one', ' two', ' three'], reset: 3 });
    const [error, failed] = (await events({})).slice(-2);
    expect(error).toMatchObject({
      type: 'error',
      code: expect.any(String) as string,
      message: expect.any(String) as string,
      param: null,
      error: { type: 'server_error', code: error?.['code'], message: error?.['message'], param: null },
    });
    expect(failed).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', completed_at: null, error: { code: 'server_error' } },
    });
  });
});
