/** Other people's models by name: asked with their own key in OpenAI's words, through the same loop. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { until } from '../../fakes/gateway.js';
import { ASK, both, call, closeOpened, KEY, opened, refused, server, start } from '../../fakes/upstreams.js';

afterEach(closeOpened);

describe('an upstream', () => {
  it('answers what names its model, and the engine everything else', async () => {
    const other = await server(inTurn({ text: 'from the other' }), ['other']);
    const upstream = await server(inTurn({ text: 'from the upstream' }), ['big']);
    const gateway = await start(
      [
        { url: upstream.url, models: ['big'], api_key: KEY },
        { url: `${other.url}/v1`, models: ['other'] },
      ],
      { script: inTurn({ text: 'from the policy' }) },
    );
    const answer = async (model: string): Promise<string | null | undefined> =>
      (await gateway.client.chat.completions.create({ ...ASK, model })).choices[0]?.message.content;
    expect([await answer('big'), await answer('other'), await answer('gyre')]).toEqual([
      'from the upstream',
      'from the other',
      'from the policy',
    ]);
    expect(
      [upstream, other, gateway.engine].map((engine) =>
        engine.requests.map((request) => [request.path, request.body.model]),
      ),
    ).toEqual([
      [['/v1/chat/completions', 'big']],
      [['/v1/chat/completions', 'other']],
      [['/v1/chat/completions', 'base']],
    ]);
  });

  it("is given its own key and never the client's", async () => {
    const { gateway, upstream } = await both(inTurn({}));
    const keyless = await server(inTurn({}), ['free']);
    const second = await start([{ url: keyless.url, models: ['free'] }]);
    const headers = {
      authorization: 'Bearer sk-of-the-client',
      'x-api-key': 'sk-of-the-client',
      cookie: 'a=b',
      'x-request-id': 'mine',
    };
    await gateway.post(ASK, { headers });
    await second.post({ ...ASK, model: 'free' }, { headers });
    expect(upstream.requests[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-request-id': 'mine' });
    expect(keyless.requests[0]?.headers.authorization).toBeUndefined();
    for (const engine of [upstream, keyless])
      expect(JSON.stringify(engine.requests[0]?.headers)).not.toMatch(/sk-of-the-client|cookie/);
  });

  it.each([
    ['', '/v1/chat/completions'],
    ['/', '/v1/chat/completions'],
    ['/v1', '/v1/chat/completions'],
    ['/v1/', '/v1/chat/completions'],
    ['/proxy', '/proxy/v1/chat/completions'],
    ['/openai/v1', '/openai/v1/chat/completions'],
    ['/v1beta/openai/', '/v1beta/openai/chat/completions'],
    ['/api/v4?region=eu', '/api/v4/chat/completions?region=eu'],
  ])('at the address "%s" is asked at "%s"', async (path, asked) => {
    const paths: (string | undefined)[] = [];
    const web = createServer((incoming, outgoing) => {
      paths.push(incoming.url);
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
        }),
      );
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    opened.push({
      close: () =>
        new Promise((resolve) => {
          web.close(() => resolve());
          web.closeAllConnections();
        }),
    });
    const gateway = await start([
      { url: `http://127.0.0.1:${(web.address() as AddressInfo).port}${path}`, models: ['big'] },
    ]);
    expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('ok');
    expect(paths).toEqual([asked]);
  });

  it("is asked in the client's own words and nothing of ours", async () => {
    const { gateway, upstream } = await both(inTurn({}), { config: { 'tools.default': [] } });
    await gateway.post({
      ...ASK,
      temperature: 0.5,
      top_k: 3,
      seed: 7,
      max_completion_tokens: 9,
      user: 'u',
      reasoning_effort: 'low',
    });
    await gateway.post({
      ...ASK,
      max_tokens: 5,
      messages: [
        { role: 'developer', content: 'be brief' },
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a', reasoning: 'hm' },
        { role: 'user', content: 'again' },
      ],
    });
    await gateway.client.responses.create({ model: 'big', input: 'q', max_output_tokens: 16 });
    const always = { model: 'big', stream: true, stream_options: { include_usage: true } };
    expect(upstream.requests.map((request) => request.body)).toEqual([
      {
        ...always,
        messages: ASK.messages,
        temperature: 0.5,
        top_k: 3,
        seed: 7,
        max_completion_tokens: 9,
        reasoning_effort: 'low',
      },
      {
        ...always,
        max_tokens: 5,
        messages: [
          { role: 'system', content: 'be brief' },
          { role: 'user', content: 'q' },
          { role: 'assistant', content: 'a' },
          { role: 'user', content: 'again' },
        ],
      },
      { ...always, max_completion_tokens: 16, messages: [{ role: 'user', content: 'q' }] },
    ]);
  });

  it('is asked for logprobs and token ids only by a client that wants them', async () => {
    const { gateway, upstream } = await both(inTurn({ text: ['a', 'b'] }));
    const plain = (await (await gateway.post(ASK)).json()) as object;
    const wanted = (await (
      await gateway.post({ ...ASK, logprobs: true, top_logprobs: 1, return_token_ids: true })
    ).json()) as object;
    expect(upstream.requests[0]?.body).not.toHaveProperty('logprobs');
    expect(upstream.requests[0]?.body).not.toHaveProperty('return_token_ids');
    expect(upstream.requests[1]?.body).toMatchObject({ logprobs: true, top_logprobs: 1, return_token_ids: true });
    expect(JSON.stringify(plain)).not.toContain('token_ids');
    expect(wanted).toMatchObject({
      choices: [
        {
          token_ids: [expect.any(Number), expect.any(Number), expect.any(Number)],
          logprobs: { content: [{ token: 'a' }, { token: 'b' }, {}] },
        },
      ],
    });
  });

  it('is refused in its own words, when it refuses what only our engine knows', async () => {
    const { gateway, upstream } = await both(
      inTurn({
        status: 400,
        body: JSON.stringify({
          error: {
            message: 'Unrecognized request argument supplied: top_k',
            type: 'invalid_request_error',
            param: 'top_k',
            code: null,
          },
        }),
      }),
    );
    expect(await refused(gateway, { ...ASK, top_k: 2 })).toMatchObject({
      status: 400,
      param: 'top_k',
      type: 'invalid_request_error',
      message: `The upstream at ${upstream.url} refused the request: Unrecognized request argument supplied: top_k`,
    });
  });

  it("runs the gateway's tools in the same loop", async () => {
    const { gateway, upstream } = await both(inTurn(call('2+3'), { text: 'It is 5.' }));
    const answer = await gateway.client.chat.completions.create({ ...ASK, model: 'vendor/small' });
    expect(answer).toMatchObject({
      model: 'vendor/small',
      choices: [{ finish_reason: 'stop', message: { content: 'It is 5.' } }],
      usage: { server_tool_use: { requested: 1, executed: 1, by_tool: { calculator: 1 } } },
    });
    expect(upstream.requests.map((request) => request.body.model)).toEqual(['vendor/small', 'vendor/small']);
    expect(upstream.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: '5' });
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it('streams through the same events, chat and responses alike', async () => {
    const { gateway } = await both((_request, number) =>
      number % 2 === 0 ? call('1+1') : { text: ['It', ' is', ' 2.'], usage: { prompt: 10, completion: 4 } },
    );
    let text = '';
    for await (const chunk of await gateway.client.chat.completions.create({ ...ASK, stream: true })) {
      expect(chunk.system_fingerprint).toBeNull();
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe('It is 2.');
    const response = await gateway.client.responses.stream({ model: 'big', input: 'and again' }).finalResponse();
    expect(response.output_text).toBe('It is 2.');
    // The call of a tool that the request did not name is not shown.
    expect(response.output.map((item) => item.type)).toEqual(['message']);
  });

  it('is told at once when the client goes away', async () => {
    const { gateway, upstream } = await both(() => ({ text: 'one two', stall: 1 }));
    const gone = new AbortController();
    const asked = gateway.post(ASK, { signal: gone.signal });
    await until(() => upstream.requests.length === 1, 'the request');
    gone.abort();
    await expect(asked).rejects.toThrow();
    await until(() => upstream.aborts === 1, 'the abort upstream');
  });
});
