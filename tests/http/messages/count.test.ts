/**
 * Counting through the official client: the engine renders the prompt a request would have, and nothing is sampled or
 * logged.
 */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (options: GatewayOptions = {}): Promise<Anthropic> => {
  gateway = await startGateway(options);
  return new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
};

const ASK: Anthropic.MessageCountTokensParams = {
  model: 'gyre',
  messages: [{ role: 'user', content: 'one two three' }],
};
const WEATHER: Anthropic.Tool = { name: 'weather', input_schema: { type: 'object' } };

describe('a count', () => {
  it('is of the prompt that the same request would get, tools included', async () => {
    const client = await start({ script: inTurn({ text: 'ok' }) });
    const prompt: Anthropic.MessageCountTokensParams = {
      ...ASK,
      system: 'Be brief.',
      tools: [WEATHER],
      tool_choice: { type: 'auto' },
    };
    const { data, response } = await client.messages.countTokens(prompt).withResponse();
    expect(data.input_tokens).toBeGreaterThan((await client.messages.countTokens(ASK)).input_tokens);
    expect(response.headers.get('request-id')).toMatch(/^req-/);
    await client.messages.create({ ...prompt, max_tokens: 5 } as Anthropic.MessageCreateParamsNonStreaming);
    const [counted] = gateway.engine.counted;
    const [asked] = gateway.engine.requests;
    expect(counted).toMatchObject({ add_generation_prompt: true });
    expect([counted?.model, counted?.messages, counted?.tools]).toEqual([
      asked?.body.model,
      asked?.body.messages,
      asked?.body.tools,
    ]);
    expect(counted?.tools?.map((tool) => tool.function.name)).toEqual(['weather', 'calculator']);
    expect(gateway.logged).toHaveLength(1);
    expect(gateway.serving.inFlight(0)).toBe(0);
  });

  it('has the tools that its key is offered, and refuses those that it may not use', async () => {
    await start();
    const { headers } = gateway.key('ann', { tools: [] });
    const ann = new Anthropic({
      baseURL: gateway.url,
      authToken: headers.authorization.replace('Bearer ', ''),
      apiKey: null,
      maxRetries: 0,
    });
    await ann.messages.countTokens(ASK);
    expect(gateway.engine.counted[0]?.tools).toBeUndefined();
    await expect(
      ann.messages.countTokens({ ...ASK, tools: [{ type: 'gyre:calculator' } as unknown as Anthropic.Tool] }),
    ).rejects.toMatchObject({ status: 403 });
  });

  it('loads the weights of a version that the engine has forgotten', async () => {
    const client = await start();
    await client.messages.countTokens({ ...ASK, model: 'gyre@1' });
    gateway.engine.adapters.clear();
    expect((await client.messages.countTokens({ ...ASK, model: 'gyre@1' })).input_tokens).toBeGreaterThan(0);
    expect(gateway.engine.counted.at(-1)?.model).toBe('gyre-v000001');
  });

  it('of an upstream’s model cannot be had', async () => {
    const client = await start({ config: { upstreams: [{ url: 'http://127.0.0.1:9', models: ['big'] }] } });
    await expect(client.messages.countTokens({ ...ASK, model: 'big' })).rejects.toMatchObject({
      status: 400,
      error: { error: { details: { error_code: 'tokenize_unsupported', param: 'model' } } },
    });
    const response = await fetch(`${gateway.url}/v1/responses/input_tokens`, {
      method: 'POST',
      body: JSON.stringify({ model: 'big', input: 'hi' }),
    });
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'tokenize_unsupported' } }]);
  });

  it.each<[string, Gateway['engine']['tokenizer'], { status: number; type: string; errorCode: string; retry: string }]>(
    [
      [
        'has no such route',
        'missing',
        { status: 501, type: 'api_error', errorCode: 'tokenize_unsupported', retry: 'false' },
      ],
      [
        'answers something else',
        { body: '{"tokens":[]}' },
        { status: 501, type: 'api_error', errorCode: 'tokenize_unsupported', retry: 'false' },
      ],
      [
        'answers a page',
        { body: '<html>' },
        { status: 501, type: 'api_error', errorCode: 'tokenize_unsupported', retry: 'false' },
      ],
      [
        'does not know the method',
        { status: 405 },
        { status: 501, type: 'api_error', errorCode: 'tokenize_unsupported', retry: 'false' },
      ],
      ['fails', { status: 500 }, { status: 502, type: 'api_error', errorCode: 'engine_error', retry: 'true' }],
      [
        'is at its limit',
        { status: 429 },
        { status: 429, type: 'rate_limit_error', errorCode: 'rate_limit_exceeded', retry: 'true' },
      ],
      [
        'refuses the prompt',
        { status: 400, body: '{"error":{"message":"bad roles","code":400}}' },
        { status: 400, type: 'invalid_request_error', errorCode: 'invalid_value', retry: 'false' },
      ],
      ['is silent', 'silent', { status: 504, type: 'timeout_error', errorCode: 'engine_timeout', retry: 'true' }],
    ],
  )('by an engine that %s is an error that says so', async (_name, tokenizer, { retry, ...expected }) => {
    const client = await start({ engineTimeoutMs: 300 });
    gateway.engine.tokenizer = tokenizer;
    const refused = await client.messages
      .countTokens(ASK)
      .catch((thrown: unknown) => thrown as InstanceType<typeof Anthropic.APIError>);
    expect(refused).toMatchObject(expected);
    expect((refused as InstanceType<typeof Anthropic.APIError>).headers?.get('x-should-retry')).toBe(retry);
  });

  it('by an engine that is not there is overloaded, to be tried again', async () => {
    const client = await start({ engineUrl: 'http://127.0.0.1:9' });
    await expect(client.messages.countTokens(ASK)).rejects.toMatchObject({ status: 503, type: 'overloaded_error' });
  });

  it('stops when the client leaves', async () => {
    const client = await start();
    gateway.engine.tokenizer = 'silent';
    const leave = new AbortController();
    const asked = client.messages.countTokens(ASK, { signal: leave.signal }).catch(() => undefined);
    await until(() => gateway.engine.counted.length === 1, 'the count');
    leave.abort();
    await asked;
    await until(() => gateway.engine.aborts === 1, 'the abort at the engine');
    await until(() => gateway.app.inFlight() === 0, 'the end');
  });

  it('is not changed by what shapes an answer alone', async () => {
    const client = await start();
    const bare = await client.messages.countTokens(ASK);
    const more = {
      max_tokens: 5,
      stream: true,
      temperature: 1,
      top_p: 1,
      top_k: 3,
      stop_sequences: ['x'],
      metadata: {},
    };
    expect(await client.messages.countTokens({ ...ASK, ...more })).toEqual(bare);
  });

  it.each([
    [{ model: 'claude-x' }, 404, 'model'],
    [{ thinking: { type: 'enabled', budget_tokens: 0 } }, 400, 'thinking.budget_tokens'],
    [{ max_tokens: 'five' }, 400, 'max_tokens'],
    [{ mcp_servers: [{}] }, 400, 'mcp_servers'],
    [{ messages: undefined }, 400, 'messages'],
  ])('of %j is refused by name', async (more, status, param) => {
    const client = await start();
    await expect(
      client.messages.countTokens({ ...ASK, ...more } as Anthropic.MessageCountTokensParams),
    ).rejects.toMatchObject({ status, details: { param } });
    expect(gateway.engine.counted).toHaveLength(0);
  });
});
