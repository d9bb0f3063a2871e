/** The Responses API over a WebSocket, spoken by `ws` and by the official client: the same answers as over HTTP. */
import type OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';
import { dial, type Dialled, type Refused, type Said } from '../../fakes/socket.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const start = async (...replies: Reply[]): Promise<Dialled> => startBy({ script: inTurn(...replies) });
const startBy = async (options: GatewayOptions): Promise<Dialled> => {
  gateway = await startGateway(options);
  return dial(gateway.url);
};
const responseOf = (seen: readonly Said[]): OpenAI.Responses.Response =>
  seen.at(-1)?.['response'] as OpenAI.Responses.Response;
const textOf = (seen: readonly Said[]): string =>
  seen
    .filter(({ type }) => type === 'response.output_text.delta')
    .map(({ delta }) => String(delta))
    .join('');
const messagesAt = (request: number): unknown => gateway.engine.requests[request]?.body.messages;
const WEATHER = { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: null };
const sum: Reply = {
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"1+1"}' }],
};
const user = (content: string): object => ({ role: 'user', content });

describe('one turn', () => {
  it('is the events of a stream, one message each, numbered, and the same response as over HTTP', async () => {
    const socket = await start({ text: ['Four', ' days.'] }, { text: ['Four', ' days.'] });
    const seen = await socket.ask({ input: 'How many?', instructions: 'Be brief.' });
    const streamed: Said[] = [];
    for await (const event of await gateway.client.responses.create({
      model: 'gyre',
      input: 'How many?',
      instructions: 'Be brief.',
      stream: true,
    }))
      streamed.push(event as unknown as Said);
    expect(seen.map(({ type }) => type)).toEqual(streamed.map(({ type }) => type));
    expect(seen.map(({ sequence_number: number }) => number)).toEqual(seen.map((_, at) => at));
    const same = (response: OpenAI.Responses.Response): unknown =>
      JSON.parse(
        JSON.stringify(response)
          .replaceAll(response.id.slice(5), 'ID')
          .replace(/"(created|completed)_at":\d+/g, '"$1_at":0'),
      );
    expect(same(responseOf(seen))).toEqual(same(responseOf(streamed)));
    expect(messagesAt(0)).toEqual([{ role: 'system', content: 'Be brief.' }, user('How many?')]);
    expect(gateway.logged[0]?.ending?.outcome).toBe('completed');
    socket.close();
  });

  it('says which tools are left out', async () => {
    const socket = await start({ text: 'ok' });
    const seen = await socket.ask({ input: 'q', tools: [{ type: 'image_generation' }, WEATHER] });
    expect(responseOf(seen)).toMatchObject({ gyre: { tools_left_out: ['image_generation'] } });
    socket.close();
  });

  it('runs server tools, and hands a call of the client out', async () => {
    const socket = await start(sum, { calls: [{ id: 'c2', name: 'weather', arguments: '{}' }] }, { text: 'Rain.' });
    const first = await socket.ask({ input: 'q', tools: [{ type: 'gyre:calculator' }, WEATHER] });
    const response = responseOf(first);
    expect(response.output.map(({ type }) => type)).toEqual(['message', 'mcp_call', 'function_call']);
    const second = await socket.ask({
      tools: [{ type: 'gyre:calculator' }, WEATHER],
      previous_response_id: response.id,
      input: [{ type: 'function_call_output', call_id: 'c2', output: 'wet' }],
    });
    expect(textOf(second)).toBe('Rain.');
    // the tool turn the client never saw is back in its place
    expect(messagesAt(2)).toMatchObject([
      { role: 'user' },
      { role: 'assistant', tool_calls: [{ id: 'c1' }] },
      { role: 'tool', tool_call_id: 'c1', content: '2' },
      { role: 'assistant', tool_calls: [{ id: 'c2' }] },
      { role: 'tool', tool_call_id: 'c2', content: 'wet' },
    ]);
    socket.close();
  });

  it('takes the fields of HTTP streams, binary messages, and what Codex says when it has read an answer', async () => {
    const socket = await start({ text: 'a' }, { text: 'b' });
    await socket.ask({ input: 'q', stream: true, stream_options: { include_obfuscation: false } });
    socket.send({ type: 'response.processed', response_id: 'resp_1' });
    socket.socket.send(Buffer.from(JSON.stringify({ type: 'response.create', model: 'gyre', input: 'q' })));
    await until(() => socket.messages.at(-1)?.type === 'response.completed' && gateway.logged.length === 2, 'both');
    expect(socket.messages.filter(({ type }) => type === 'error')).toEqual([]);
    socket.close();
  });

  it('names the lane it was asked in, and lanes share one connection in turn', async () => {
    const socket = await start({ text: 'a' }, { text: 'b' });
    socket.send({ type: 'response.create', model: 'gyre', input: 'one', stream_id: 'left' });
    socket.send({ type: 'response.create', model: 'gyre', input: 'two', stream_id: 'right.2' });
    await until(() => socket.messages.filter(({ type }) => type === 'response.completed').length === 2, 'both');
    const lanes = socket.messages.map(({ stream_id: lane }) => lane);
    expect([...new Set(lanes)]).toEqual(['left', 'right.2']);
    expect(lanes.lastIndexOf('left')).toBeLessThan(lanes.indexOf('right.2'));
    socket.send({ type: 'response.create', model: 'gyre', input: 'q', stream_id: 'no spaces' });
    await until(() => socket.messages.at(-1)?.type === 'error', 'the refusal');
    expect(socket.messages.at(-1)).toMatchObject({ type: 'error', status: 400, param: 'stream_id' });
    socket.close();
  });
});

describe('going on', () => {
  it('goes on from an answer that asked not to be stored, on its own connection alone', async () => {
    const socket = await start({ text: 'OK' }, { text: 'cobalt' }, { text: 'fresh' });
    const first = responseOf(await socket.ask({ input: 'Remember cobalt.', store: false, instructions: 'One.' }));
    const second = await socket.ask({
      input: 'Which?',
      store: false,
      previous_response_id: first.id,
      instructions: 'Two.',
    });
    expect(textOf(second)).toBe('cobalt');
    expect(messagesAt(1)).toEqual([
      { role: 'system', content: 'Two.' },
      user('Remember cobalt.'),
      { role: 'assistant', content: 'OK' },
      user('Which?'),
    ]);
    const other = await dial(gateway.url);
    const [refused] = await other.ask({ input: 'Which?', store: false, previous_response_id: responseOf(second).id });
    expect(refused).toMatchObject({
      type: 'error',
      error: { code: 'previous_response_not_found', param: 'previous_response_id' },
    });
    expect(textOf(await other.ask({ input: 'Anew.', store: false }))).toBe('fresh');
    other.close();
    socket.close();
  });

  it('keeps a system message of the input that is no instruction', async () => {
    const socket = await start({ text: 'Arr' }, { text: 'Arr again' });
    const first = responseOf(
      await socket.ask({ input: [{ role: 'system', content: 'Be a pirate.' }, user('hi')], store: false }),
    );
    await socket.ask({ input: 'again', previous_response_id: first.id });
    expect(messagesAt(1)).toEqual([
      { role: 'system', content: 'Be a pirate.' },
      user('hi'),
      { role: 'assistant', content: 'Arr' },
      user('again'),
    ]);
    socket.close();
  });

  it('goes on from a stored answer on another connection', async () => {
    const socket = await start({ text: 'OK' }, { text: 'yes' });
    const first = responseOf(await socket.ask({ input: 'q' }));
    const other = await dial(gateway.url);
    expect(textOf(await other.ask({ input: 'more', previous_response_id: first.id }))).toBe('yes');
    other.close();
    socket.close();
  });

  it('forgets an answer that was gone on from in vain', async () => {
    const socket = await start({ text: 'OK' });
    const first = responseOf(await socket.ask({ input: 'q', store: false }));
    const [failed] = await socket.ask({
      store: false,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: 'nobody', output: 'x' }],
    });
    expect(failed).toMatchObject({ type: 'error', status: 400 });
    const [stale] = await socket.ask({ store: false, previous_response_id: first.id, input: 'q' });
    expect(stale).toMatchObject({ error: { code: 'previous_response_not_found' } });
    expect(gateway.engine.requests).toHaveLength(1);
    socket.close();
  });

  it('is warmed up by what is to be gone on from: nothing is asked, and nothing logged', async () => {
    const socket = await start({ text: 'hello' });
    const warm = await socket.ask({ input: 'hi', generate: false, store: false, instructions: 'Brief.' });
    expect(warm.map(({ type }) => type)).toEqual(['response.created', 'response.in_progress', 'response.completed']);
    expect(responseOf(warm)).toMatchObject({ output: [], usage: { total_tokens: 0 } });
    expect(gateway.engine.requests).toHaveLength(0);
    expect(gateway.logged).toHaveLength(0);
    const seen = await socket.ask({
      input: [],
      store: false,
      instructions: 'Brief.',
      previous_response_id: responseOf(warm).id,
    });
    expect(textOf(seen)).toBe('hello');
    expect(messagesAt(0)).toEqual([{ role: 'system', content: 'Brief.' }, user('hi')]);
    const [refused] = await socket.ask({ input: 'hi', generate: false, model: 'nobody' });
    expect(refused).toMatchObject({ type: 'error', status: 404 });
    socket.close();
  });
});

describe('errors', () => {
  it.each([
    ['{', 'invalid_json'],
    ['[]', 'invalid_type'],
    ['{"type":"session.update"}', 'invalid_value'],
    ['{"model":"gyre","input":"q"}', 'invalid_value'],
    ['{"type":"response.create","model":"gyre"}', 'missing_required_parameter'],
    ['{"type":"response.create","model":"gyre","input":"q","temprature":1}', 'unknown_parameter'],
    [`{"type":"response.create","input":${'['.repeat(200)}${']'.repeat(200)}}`, 'invalid_json'],
  ])('%s is refused by a message, and the connection goes on', async (message, code) => {
    const socket = await start({ text: 'fine' });
    socket.send(message);
    const refused = await socket.next();
    expect(refused).toMatchObject({ type: 'error', status: 400, code, error: { code, type: 'invalid_request_error' } });
    expect(textOf(await socket.ask({ input: 'q' }))).toBe('fine');
    socket.close();
  });

  it('of the engine come as an error before the first event, as a failed response after it', async () => {
    const socket = await start({ status: 500 }, { text: 'one two three', reset: 3 });
    const first = await socket.ask({ input: 'q' });
    expect(first).toMatchObject([{ type: 'error', status: 502, headers: { 'x-should-retry': 'true' } }]);
    const second = await socket.ask({ input: 'q' });
    expect(second.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed' } });
    expect(second.map(({ sequence_number: number }) => number)).toEqual(second.map((_, at) => at));
    socket.close();
  });

  const statusOf = async (...args: Parameters<typeof dial>): Promise<unknown> =>
    dial(...args).then(
      (socket) => (socket.close(), 101),
      (thrown: unknown) => (thrown as Refused).status,
    );

  it('refuses the upgrade of other paths, and of pages of other sites', async () => {
    gateway = await startGateway();
    expect(await statusOf(gateway.url, {}, '/v1/chat/completions')).toBe(404);
    expect(await statusOf(gateway.url, {}, '/')).toBe(404);
    expect(await statusOf(gateway.url, { origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf(gateway.url, { origin: gateway.url })).toBe(101);
  });

  it('takes pages of the origins that the operator lists, and no others', async () => {
    gateway = await startGateway({ config: { cors: ['https://app.example'] } });
    expect(await statusOf(gateway.url, { origin: 'https://app.example' })).toBe(101);
    expect(await statusOf(gateway.url, { origin: 'HTTPS://APP.example' })).toBe(101);
    expect(await statusOf(gateway.url, { origin: 'https://app.example.evil' })).toBe(403);
    expect(await statusOf(gateway.url, { origin: 'null' })).toBe(403);
    await gateway.close();
    gateway = await startGateway({ config: { cors: ['*'] } });
    expect(await statusOf(gateway.url, { origin: 'https://any.example' })).toBe(101);
  });

  it('refuses the upgrade without a key', async () => {
    gateway = await startGateway({ script: inTurn({ text: 'fine' }) });
    const { headers } = gateway.key('ann');
    expect(await statusOf(gateway.url)).toBe(401);
    expect(await statusOf(gateway.url, { headers: { authorization: 'Bearer wrong' } })).toBe(401);
    const socket = await dial(gateway.url, { headers });
    expect(textOf(await socket.ask({ input: 'q' }))).toBe('fine');
    socket.close();
    const plain = await fetch(`${gateway.url}/v1/responses`, { headers });
    expect(plain.status).toBe(426);
    expect(plain.headers.get('upgrade')).toBe('websocket');
  });

  it('counts the upgrade and each message against the limits of its key', async () => {
    gateway = await startGateway({ script: inTurn({ text: 'one' }, { text: 'two' }) });
    const { headers, id } = gateway.key('ann', { limits: { requestsPerMinute: 2 } });
    const socket = await dial(gateway.url, { headers });
    expect(textOf(await socket.ask({ input: 'q' }))).toBe('one');
    expect(await statusOf(gateway.url, { headers })).toBe(429);
    const [limited] = await socket.ask({ input: 'q' });
    expect(limited).toMatchObject({ type: 'error', status: 429, error: { code: 'rate_limit_exceeded' } });
    expect(limited?.['headers']).toMatchObject({ 'x-ratelimit-limit-requests': '2' });
    expect(id).toMatch(/^key/);
    socket.close();
  });

  it('says when the gateway answers as many as it may', async () => {
    const socket = await startBy({
      script: inTurn({ text: 'one two three', stall: 1 }),
      config: { 'limits.concurrency': 1 },
    });
    socket.send({ type: 'response.create', model: 'gyre', input: 'q' });
    await until(() => gateway.engine.requests.length === 1, 'the first');
    const other = await dial(gateway.url);
    expect((await other.ask({ input: 'q' }))[0]).toMatchObject({ type: 'error', status: 429 });
    socket.socket.terminate();
    other.close();
    await until(() => gateway.app.inFlight() === 0, 'the end');
  });

  it('a message beyond the limit of a body ends the connection', async () => {
    const socket = await startBy({ config: { 'limits.body_bytes': 1_000 } });
    socket.send({ type: 'response.create', model: 'gyre', input: 'x'.repeat(2_000) });
    expect(await socket.closed).toBe(1009);
  });

  it('more messages than may wait end it as well', async () => {
    const socket = await start({ text: 'one two three', stall: 1 });
    for (let at = 0; at < 20; at += 1) socket.send({ type: 'response.create', model: 'gyre', input: 'q' });
    expect(await socket.closed).toBe(1008);
    await until(() => gateway.engine.aborts === 1, 'the abort');
  });
});
