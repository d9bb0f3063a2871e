/**
 * What goes wrong on the routes of the Messages API, as its official client tells it: status, type, and whether to try
 * again.
 */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { adder, startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';
import { fixedKeys } from '../../run/rows.js';

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (options: GatewayOptions = {}): Promise<Anthropic> => {
  gateway = await startGateway(options);
  return new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
};

const ASK: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'gyre',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'hi' }],
};
const params = (more: unknown): Anthropic.MessageCreateParamsNonStreaming => ({ ...ASK, ...(more as object) });
const KEYS = fixedKeys((secret) => (secret === 'good' ? { id: 'k', role: 'client', train: true } : undefined));

/** What the client throws. */
async function refusal(asked: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  try {
    await asked;
  } catch (thrown) {
    if (thrown instanceof Anthropic.APIError) return thrown;
    throw thrown;
  }
  throw new Error('it was answered');
}

describe('a refusal', () => {
  it.each<[string, unknown, { status: number; type: string; param?: string; says?: string }]>([
    ['no model', { model: undefined }, { status: 400, type: 'invalid_request_error', param: 'model' }],
    [
      'no limit of tokens',
      { max_tokens: undefined },
      { status: 400, type: 'invalid_request_error', param: 'max_tokens' },
    ],
    ['no messages', { messages: undefined }, { status: 400, type: 'invalid_request_error', param: 'messages' }],
    [
      'an unknown model',
      { model: 'claude-x' },
      { status: 404, type: 'not_found_error', param: 'model', says: 'gyre@base' },
    ],
    [
      'an unknown field',
      { max_token: 5 },
      { status: 400, type: 'invalid_request_error', param: 'max_token', says: '"max_tokens"' },
    ],
    [
      'the field of another protocol',
      { max_completion_tokens: 5 },
      { status: 400, type: 'invalid_request_error', param: 'max_completion_tokens' },
    ],
    [
      'a way of thinking there is not',
      { thinking: { type: 'deep' } },
      { status: 400, type: 'invalid_request_error', param: 'thinking.type' },
    ],
    [
      'an edit that would cut the conversation',
      { context_management: { edits: [{ type: 'clear_thinking_20251015' }, { type: 'clear_tool_uses_20250919' }] } },
      {
        status: 400,
        type: 'invalid_request_error',
        param: 'context_management.edits.1.type',
        says: '"clear_tool_uses_20250919" is not supported',
      },
    ],
    [
      'a tool that is loaded later',
      { tools: [{ name: 'f', input_schema: {}, defer_loading: true }] },
      { status: 400, type: 'invalid_request_error', param: 'tools.0.defer_loading' },
    ],
    [
      'a tool that only code may call',
      { tools: [{ name: 'f', input_schema: {}, allowed_callers: ['code_execution_20250825'] }] },
      { status: 400, type: 'invalid_request_error', param: 'tools.0.allowed_callers' },
    ],
    [
      'servers of tools',
      { mcp_servers: [{ type: 'url', url: 'https://tools.example', name: 't' }] },
      { status: 400, type: 'invalid_request_error', param: 'mcp_servers' },
    ],
    [
      'an image without a source',
      { messages: [{ role: 'user', content: [{ type: 'image' }] }] },
      { status: 400, type: 'invalid_request_error', param: 'messages.0.content.0.source' },
    ],
    [
      'a block there is not as a result',
      {
        messages: [
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'video' }] }] },
        ],
      },
      { status: 400, type: 'invalid_request_error', param: 'messages.0.content.0.content.0.type', says: '"video' },
    ],
    [
      'a document in the instructions',
      { system: [{ type: 'document' }] },
      { status: 400, type: 'invalid_request_error', param: 'system.0.type' },
    ],
    [
      'a call by the user',
      { messages: [{ role: 'user', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] }] },
      {
        status: 400,
        type: 'invalid_request_error',
        param: 'messages.0.content.0.type',
        says: 'blocks of the type "tool_use" are not supported here',
      },
    ],
    [
      'a block without a type',
      { messages: [{ role: 'user', content: ['x'] }] },
      {
        status: 400,
        type: 'invalid_request_error',
        param: 'messages.0.content.0',
        says: 'must be a block with a "type"',
      },
    ],
    [
      'an input that is no object',
      {
        messages: [
          ...ASK.messages,
          { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: '{}' }] },
          ...ASK.messages,
        ],
      },
      { status: 400, type: 'invalid_request_error', param: 'messages.1.content.0.input', says: 'must be an object' },
    ],
    [
      'an answer begun by the client',
      { messages: [...ASK.messages, { role: 'assistant', content: 'The answer is (' }] },
      { status: 400, type: 'invalid_request_error', param: 'messages', says: 'End with a user' },
    ],
    [
      'an unknown role',
      { messages: [{ role: 'robot', content: 'x' }] },
      { status: 400, type: 'invalid_request_error', param: 'messages.0.role' },
    ],
    [
      'a type of tool there is not',
      { tools: [{ type: 'costum', name: 'f', input_schema: {} }] },
      { status: 400, type: 'invalid_request_error', param: 'tools.0.type', says: '"custom", "gyre:"' },
    ],
    [
      'a choice of a tool that others host and nobody runs here',
      {
        tools: [{ type: 'web_search_20250305', name: 'web_search' }],
        tool_choice: { type: 'tool', name: 'web_search' },
      },
      { status: 400, type: 'invalid_request_error', param: 'tool_choice', says: '"web_search_20250305"' },
    ],
    [
      'a tool without a schema',
      { tools: [{ name: 'f' }] },
      { status: 400, type: 'invalid_request_error', param: 'tools.0.input_schema' },
    ],
    [
      'an unknown server tool',
      { tools: [{ type: 'gyre:calculater' }] },
      { status: 400, type: 'invalid_request_error', param: 'tools', says: '"gyre:calculator"' },
    ],
    [
      'a forced tool that is not offered',
      { tool_choice: { type: 'tool', name: 'x' } },
      { status: 400, type: 'invalid_request_error', param: 'tool_choice' },
    ],
    [
      'a choice there is not',
      { tool_choice: { type: 'required' } },
      { status: 400, type: 'invalid_request_error', param: 'tool_choice.type', says: '"auto", "any", "none"' },
    ],
    [
      'a choice of another protocol',
      { tool_choice: 'auto' },
      { status: 400, type: 'invalid_request_error', param: 'tool_choice' },
    ],
    [
      'a metadata value that is no text',
      { metadata: { user_id: 5 } },
      { status: 400, type: 'invalid_request_error', param: 'metadata.user_id' },
    ],
  ])('of %s has the shape of the protocol, and calls no policy', async (_name, more, { status, type, param, says }) => {
    const client = await start();
    const error = await refusal(client.messages.create(params(more)));
    expect(error).toMatchObject({
      status,
      type,
      error: { type: 'error', error: { type, details: { param: param ?? null } }, request_id: error.requestID },
    });
    if (says !== undefined) expect(error.apiMessage).toContain(says);
    expect(error.requestID).toMatch(/^req-/);
    expect(error.headers?.get('x-request-id')).toBe(error.requestID);
    expect(gateway.engine.requests).toHaveLength(0);
    expect(gateway.logged).toHaveLength(0);
  });

  it('of a key is told before anything is read', async () => {
    await start({ deps: { keys: KEYS } });
    for (const headers of [{ 'x-api-key': 'bad' }, { authorization: 'Bearer bad' }, {}]) {
      const response = await fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        body: 'no JSON',
        headers: headers as Record<string, string>,
      });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({
        type: 'error',
        error: { type: 'authentication_error', details: { error_code: 'invalid_api_key' } },
      });
    }
    const counted = await fetch(`${gateway.url}/v1/messages/count_tokens`, { method: 'POST', body: '{}' });
    expect(await counted.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
  });

  it.each([
    ['apiKey', { apiKey: 'good' }],
    ['authToken', { apiKey: null, authToken: 'good' }],
  ])('is none for a good key, sent as %s', async (_name, key) => {
    await start({ deps: { keys: KEYS }, script: inTurn({ text: 'hello' }) });
    const client = new Anthropic({ baseURL: gateway.url, maxRetries: 0, ...key });
    expect(
      (await client.messages.create(ASK, { headers: { 'anthropic-beta': 'tools-2024-04-04' } })).content,
    ).toMatchObject([{ text: 'hello' }]);
  });

  it('of too large a body is request_too_large', async () => {
    const client = await start({ config: { 'limits.body_bytes': 1_000 } });
    expect(await refusal(client.messages.create(params({ system: 'x'.repeat(2_000) })))).toMatchObject({
      status: 413,
      type: 'request_too_large',
    });
  });

  it('of what is no JSON, and of a route that is not there, has the same shape', async () => {
    const client = await start();
    const response = await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: '{' });
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    expect(await refusal(client.messages.batches.list())).toMatchObject({ status: 404, type: 'not_found_error' });
  });

  it('beyond the concurrency limit says when to come back', async () => {
    const client = await start({ config: { 'limits.concurrency': 1 }, script: inTurn({ silent: true }) });
    const leave = new AbortController();
    const held = client.messages.create(ASK, { signal: leave.signal }).catch(() => undefined);
    await until(() => gateway.engine.requests.length === 1, 'the first request');
    const error = await refusal(client.messages.create(ASK));
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error' });
    expect(error.headers?.get('retry-after')).toBe('1');
    leave.abort();
    await held;
  });
});

describe('an engine that fails', () => {
  it.each<[string, Reply, { status: number; type: string; retry: string }]>([
    ['500', { status: 500 }, { status: 502, type: 'api_error', retry: 'true' }],
    ['429', { status: 429, headers: { 'retry-after': '7' } }, { status: 429, type: 'rate_limit_error', retry: 'true' }],
    ['silence', { silent: true }, { status: 504, type: 'timeout_error', retry: 'true' }],
    [
      'too long a prompt',
      {
        status: 400,
        body: JSON.stringify({ error: { message: "This model's maximum context length is 2048 tokens.", code: 400 } }),
      },
      { status: 400, type: 'invalid_request_error', retry: 'false' },
    ],
  ])(
    'with %s before its first byte gives a real status, whole and streamed',
    async (_name, reply, { status, type, retry }) => {
      const client = await start({ script: inTurn(reply), engineTimeoutMs: 300 });
      for (const stream of [false, true]) {
        const error = await refusal(client.messages.create({ ...ASK, stream }));
        expect(error).toMatchObject({ status, type });
        expect(error.headers?.get('x-should-retry')).toBe(retry);
        if (status === 429) expect(error.headers?.get('retry-after')).toBe('7');
        expect(error.headers?.get('x-gyre-trajectory')).toBe(gateway.logged.at(-1)?.trajectoryId);
      }
    },
  );

  it.each([
    ["This model's maximum context length is 2048 tokens. However, your request has 3000 input tokens.", 3000, 2048],
    [
      "This model's maximum context length is 2048 tokens. However, you requested 0 output tokens and your prompt " +
        'contains at least 2049 input tokens, for a total of at least 2049 tokens.',
      2049,
      2048,
    ],
    ['The decoder prompt (length 3000) is longer than the maximum model length of 2048.', 3000, 2048],
    ["This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.", 9001, 8192],
  ])(
    'for a prompt that is too long says so in the words its programs compact by: %s',
    async (message, prompt, most) => {
      const client = await start({
        script: inTurn({ status: 400, body: JSON.stringify({ error: { message, code: 400 } }) }),
      });
      expect((await refusal(client.messages.create(ASK))).message).toContain(
        `prompt is too long: ${prompt} tokens > ${most} maximum`,
      );
    },
  );

  it('because it is not there is overloaded, to be tried again', async () => {
    const client = await start({ engineUrl: 'http://127.0.0.1:9' });
    expect(await refusal(client.messages.create(ASK))).toMatchObject({ status: 503, type: 'overloaded_error' });
  });

  it('after a tool has run forbids a retry', async () => {
    const client = await start({
      script: inTurn({ calls: [{ name: 'calculator', arguments: '{"expression":"2+3"}' }] }, { status: 500 }),
      tools: [adder],
    });
    expect((await refusal(client.messages.create(ASK))).headers?.get('x-should-retry')).toBe('false');
  });

  it('in the middle ends the stream with one error, and no end of the message', async () => {
    const client = await start({ script: inTurn({ text: 'one two three', reset: 3 }) });
    const raw = await (
      await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: JSON.stringify({ ...ASK, stream: true }) })
    ).text();
    const frames = raw.trim().split('\n\n');
    expect(frames.at(-1)).toMatch(/^event: error\ndata: \{"type":"error","error":\{"type":"api_error"/);
    expect(raw).not.toMatch(/message_delta|message_stop/);
    expect(raw.match(/event: error/g)).toHaveLength(1);
    expect(await refusal(client.messages.stream(ASK).finalMessage())).toMatchObject({ type: 'api_error' });
    expect(gateway.logged[0]).toMatchObject({ ending: { outcome: 'failed' } });
  });

  it('in the middle of a call never tells half of it', async () => {
    await start({ script: inTurn({ calls: [{ name: 'f', arguments: '{"a": "b c d e f"}' }], reset: 3 }) });
    const raw = await (
      await fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        body: JSON.stringify(params({ stream: true, tools: [{ name: 'f', input_schema: {} }] })),
      })
    ).text();
    expect(raw).toContain('event: error');
    expect(raw).not.toContain('content_block');
  });
});

describe('a client that leaves', () => {
  it.each<[string, Reply, boolean]>([
    ['a whole answer', { text: 'one two three', stall: 2 }, false],
    ['a stream', { text: 'one two three', stall: 2 }, true],
    ['a stream before its first byte', { silent: true }, true],
  ])('%s stops the engine, and the step is logged as cancelled', async (_name, reply, stream) => {
    const client = await start({ script: inTurn(reply) });
    for (let time = 1; time <= 5; time += 1) {
      const leave = new AbortController();
      const asked = client.messages
        .create({ ...ASK, stream }, { signal: leave.signal })
        .then(async (answer) => {
          if (stream)
            for await (const event of answer as AsyncIterable<Anthropic.RawMessageStreamEvent>)
              expect(event.type).toBeTruthy();
        })
        .catch(() => undefined);
      await until(() => gateway.engine.requests.length === time, 'the request');
      leave.abort();
      await asked;
      await until(() => gateway.engine.aborts === time, `abort ${time} at the engine`);
      await until(() => gateway.logged[time - 1]?.ending !== undefined, 'the end in the log');
    }
    expect(gateway.logged.map((entry) => entry.ending?.outcome)).toEqual(Array(5).fill('cancelled'));
    expect(gateway.app.inFlight()).toBe(0);
  });
});
