/** Responses read back, deleted, and what they were answers to, by the official client and by the whole store. */
import type OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { verify } from '../../../src/store/proof/verify.js';
import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

type Asked = OpenAI.Responses.ResponseCreateParamsNonStreaming;

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (...replies: Reply[]): Promise<OpenAI> => startBy({ script: inTurn(...replies) });
const startBy = async (options: GatewayOptions): Promise<OpenAI> => (gateway = await startGateway(options)).client;

const CALCULATOR = { type: 'gyre:calculator' } as unknown as OpenAI.Responses.Tool;
const WEATHER = { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: null };
const sum: Reply = {
  reasoning: 'They want a sum.',
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{ "expression": "1+1" }' }],
};
const call: Reply = {
  text: 'And the weather.',
  calls: [{ id: 'c2', name: 'weather', arguments: '{ "city":"Bonn" }' }],
};

async function rows(path: string, init: RequestInit = {}): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${gateway.url}${path}`, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** What time alone changes. */
const timeless = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replace(/"completed_at":\d+/g, '"completed_at":0'));

describe('reading back', () => {
  const cases: readonly (readonly [string, readonly Reply[], Partial<Asked>])[] = [
    ['a text', [{ text: ['Four', ' days.'] }], {}],
    ['reasoning', [{ reasoning: ['Think', 'ing.'], text: 'So.' }], {}],
    ['server tools', [sum, { text: 'Two.' }], { tools: [CALCULATOR] }],
    ['server tools nobody asked to see', [sum, { text: 'Two.' }], {}],
    [
      'a tool that failed',
      [{ calls: [{ id: 'c', name: 'calculator', arguments: '{"expression":"x"}' }] }, { text: 'No.' }],
      { tools: [CALCULATOR] },
    ],
    ['a call of the client', [call], { tools: [WEATHER] }],
    ['both in turn', [sum, call], { tools: [CALCULATOR, WEATHER] }],
    [
      'both at once',
      [{ text: 'Both.', calls: [...(call.calls ?? []), ...(sum.calls ?? [])] }],
      { tools: [CALCULATOR, WEATHER] },
    ],
    ['an answer that was cut', [{ text: 'Four', finish: 'length' }], { max_output_tokens: 1 }],
    ['what a content filter ended', [{ text: 'Fo', finish: 'content_filter' }], {}],
    [
      'all that was asked',
      [{ text: '{}' }],
      {
        instructions: 'Be brief.',
        temperature: 0.5,
        top_p: 0.9,
        max_output_tokens: 50,
        metadata: { a: 'b' },
        text: { format: { type: 'json_object' } },
        reasoning: { effort: 'low' },
        parallel_tool_calls: false,
        tool_choice: 'none',
        tools: [WEATHER],
      },
    ],
  ];
  it.each(cases)('gives %s as it was answered', async (_, replies, asked) => {
    const client = await start(...replies);
    const given = await client.responses.create({ model: 'gyre', input: 'q', ...asked });
    const read = await client.responses.retrieve(given.id);
    expect(timeless(read)).toEqual(timeless(given));
    expect(given.id).toMatch(/^resp_/);
  });

  it('gives a freeform call and one of a namespace by the names the client knows', async () => {
    const tools = [
      { type: 'custom', name: 'patch' },
      {
        type: 'namespace',
        name: 'fs',
        description: 'Files.',
        tools: [{ type: 'function', name: 'read', parameters: {} }],
      },
    ] as unknown as OpenAI.Responses.Tool[];
    const client = await start({
      calls: [
        { id: 'c1', name: 'patch', arguments: '{"input":"*** Begin"}' },
        { id: 'c2', name: 'fs__read', arguments: '{}' },
      ],
    });
    const given = await client.responses.create({ model: 'gyre', input: 'q', tools });
    expect(given.output.map(({ type }) => type)).toEqual(['custom_tool_call', 'function_call']);
    expect(timeless(await client.responses.retrieve(given.id))).toEqual(timeless(given));
  });

  it('replays the events, from any number on', async () => {
    const client = await start(sum, { text: 'Two.' });
    const given = await client.responses.create({ model: 'gyre', input: 'q', tools: [CALCULATOR] });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(given.id, { stream: true })) events.push(event);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, at) => at));
    expect(events.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { id: given.id, output: given.output },
    });
    const later: unknown[] = [];
    for await (const event of await client.responses.retrieve(given.id, { stream: true, starting_after: 4 }))
      later.push(event);
    expect(later).toEqual(events.slice(5));
    await expect(client.responses.retrieve(given.id, { starting_after: 4 } as never)).rejects.toMatchObject({
      status: 400,
      param: 'starting_after',
    });
  });

  it('says of one that failed that it did, and of one whose client left that it was cancelled', async () => {
    const client = await start({ text: 'one two three', reset: 3 }, { text: 'one two three', stall: 2 });
    const ids: string[] = [];
    const ask = async (leave: boolean): Promise<void> => {
      const stream = await client.responses.create({ model: 'gyre', input: 'q', stream: true });
      for await (const event of stream) {
        if (event.type === 'response.created') ids.push(event.response.id);
        if (leave && event.type === 'response.output_text.delta') break;
      }
    };
    await ask(false).catch(() => undefined);
    await ask(true);
    expect(await client.responses.retrieve(ids[0] ?? '')).toMatchObject({
      status: 'failed',
      error: { code: 'server_error' },
    });
    await expect.poll(async () => (await rows(`/v1/responses/${ids[1] ?? ''}`)).body['status']).toBe('cancelled');
  });

  it('is for the key that asked, for this protocol, and for what was to be stored', async () => {
    await start({ text: 'a' }, { text: 'b' }, { text: 'c' });
    const [ann, bob] = [gateway.key('ann').headers, gateway.key('bob', { role: 'admin' }).headers];
    const ask = async (path: string, body: unknown): Promise<string> => {
      const init = {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...ann },
      };
      return String((await rows(path, init)).body['id']);
    };
    const kept = await ask('/v1/responses', { model: 'gyre', input: 'q' });
    const unkept = await ask('/v1/responses', { model: 'gyre', input: 'q', store: false });
    const chat = await ask('/v1/chat/completions', { model: 'gyre', messages: [{ role: 'user', content: 'q' }] });
    const statusOf = async (id: string, headers: Record<string, string>): Promise<unknown> =>
      (await rows(`/v1/responses/${id}`, { headers })).status;
    expect(await statusOf(kept, ann)).toBe(200);
    for (const id of [unkept, chat, 'resp_none', '..%2f']) expect(await statusOf(id, ann)).toBe(404);
    expect(await statusOf(kept, bob)).toBe(404);
    expect(await statusOf(kept, {})).toBe(401);
    for (const method of ['DELETE', 'GET']) {
      const path = method === 'GET' ? `/v1/responses/${kept}/input_items` : `/v1/responses/${kept}`;
      const { status, body } = await rows(path, { method, headers: bob });
      expect(status).toBe(404);
      expect(body['error']).toMatchObject({ type: 'invalid_request_error', code: 'response_not_found' });
      expect((await rows(path, { method })).status).toBe(401);
    }
    // nobody goes on from what was not stored
    const again = { model: 'gyre', input: 'q', previous_response_id: unkept };
    expect(await ask('/v1/responses', again)).toBe('undefined');
  });

  it('shows the mark where something was redacted', async () => {
    const client = await startBy({ script: inTurn({ text: 'It is hunter2.' }), config: { redact: ['hunter2'] } });
    const { id } = await client.responses.create({ model: 'gyre', input: 'q', instructions: 'Never say hunter2.' });
    const read = JSON.stringify(await client.responses.retrieve(id));
    expect(read).not.toContain('hunter2');
    expect(read).toContain('Never say ');
  });
});

describe('input items', () => {
  it('are the conversation the client has, a page at a time, without instructions and hidden turns', async () => {
    const client = await start(sum, { text: 'Two.' }, { text: 'Four.' });
    const first = await client.responses.create({ model: 'gyre', input: 'one', instructions: 'Brief.' });
    const second = await client.responses.create({
      model: 'gyre',
      previous_response_id: first.id,
      instructions: 'Brief.',
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'two' }] }],
    });
    const ascending = await client.responses.inputItems.list(second.id, { order: 'asc' });
    expect(ascending.data).toMatchObject([
      { type: 'message', role: 'user', status: 'completed', content: [{ type: 'input_text', text: 'one' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Let me see. Two.' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'two' }] },
    ]);
    const ids = ascending.data.map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
    const paged: (string | undefined)[] = [];
    for await (const item of client.responses.inputItems.list(second.id, { limit: 2 })) paged.push(item.id);
    expect(paged).toEqual([...ids].reverse());
    const { body } = await rows(`/v1/responses/${second.id}/input_items?limit=1&order=asc&after=${ids[0] ?? ''}`);
    expect(body).toMatchObject({ object: 'list', first_id: ids[1], last_id: ids[1], has_more: true });
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'order=up', 'after=msg_1'])
      expect((await rows(`/v1/responses/${second.id}/input_items?${query}`)).status).toBe(400);
  });

  it('have calls under the names and in the types the client knows', async () => {
    const client = await start({ text: 'Done.' });
    const { id } = await client.responses.create({
      model: 'gyre',
      input: [
        { role: 'user', content: 'q' },
        { type: 'function_call', call_id: 'a', namespace: 'files', name: 'read', arguments: '{}' } as never,
        { type: 'custom_tool_call', call_id: 'b', name: 'patch', input: 'X "1"' },
        { type: 'function_call_output', call_id: 'a', output: 'A' },
        { type: 'custom_tool_call_output', call_id: 'b', output: 'B' },
      ],
      tools: [
        {
          type: 'namespace',
          name: 'files',
          description: 'Files.',
          tools: [{ type: 'function', name: 'read' }],
        } as never,
        { type: 'custom', name: 'patch' },
      ],
    });
    const { data } = await client.responses.inputItems.list(id, { order: 'asc' });
    expect(data.slice(1)).toMatchObject([
      { type: 'function_call', call_id: 'a', namespace: 'files', name: 'read', arguments: '{}' },
      { type: 'custom_tool_call', call_id: 'b', name: 'patch', input: 'X "1"' },
      { type: 'function_call_output', call_id: 'a', output: 'A' },
      { type: 'custom_tool_call_output', call_id: 'b', output: 'B' },
    ]);
  });

  it('are calls and their results as well', async () => {
    const client = await start({ text: 'Rain.' });
    const { id } = await client.responses.create({
      model: 'gyre',
      input: [
        { role: 'user', content: 'q' },
        { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: 'wet' },
      ],
    });
    const { data } = await client.responses.inputItems.list(id, { order: 'asc' });
    expect(data.slice(1)).toMatchObject([
      { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{}', status: 'completed' },
      { type: 'function_call_output', call_id: 'c1', output: 'wet', status: 'completed' },
    ]);
  });
});

describe('deleting', () => {
  it('makes a response unknown, and erases the conversation with its last one', async () => {
    const client = await start({ text: 'xyzzy one' }, { text: 'xyzzy two' }, { text: 'three' });
    const first = await client.responses.create({ model: 'gyre', input: 'q' });
    const second = await client.responses.create({ model: 'gyre', input: 'r', previous_response_id: first.id });
    expect(await rows(`/v1/responses/${first.id}`, { method: 'DELETE' })).toEqual({
      status: 200,
      body: { id: first.id, object: 'response.deleted', deleted: true },
    });
    await expect(client.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    await expect(client.responses.delete(first.id)).rejects.toMatchObject({ status: 404 });
    await expect(
      client.responses.create({ model: 'gyre', input: 's', previous_response_id: first.id }),
    ).rejects.toMatchObject({ status: 404, code: 'previous_response_not_found' });
    await expect(
      client.responses.create({ model: 'gyre', input: [{ type: 'item_reference', id: first.output[0]?.id ?? '' }] }),
    ).rejects.toMatchObject({ status: 404 });
    const feedback = { method: 'POST', body: JSON.stringify({ response_id: first.id, value: 1 }) };
    expect((await rows('/v1/feedback', feedback)).status).toBe(404);
    // what came after it stands on it, and goes on
    expect((await client.responses.retrieve(second.id)).output_text).toBe('xyzzy two');
    expect(verify(gateway.store.db)).toMatchObject({ ok: true });
    const count = (): unknown =>
      gateway.store.sqlite.prepare("SELECT count(*) AS n FROM messages WHERE body LIKE '%xyzzy%'").get();
    expect(count()).toEqual({ n: 2 });
    await client.responses.delete(second.id);
    expect(count()).toEqual({ n: 0 });
    expect((await rows('/gyre/v1/trajectories')).body['data']).toEqual([]);
    expect(verify(gateway.store.db)).toMatchObject({ ok: true, problems: [] });
    expect((await client.responses.create({ model: 'gyre', input: 'q' })).output_text).toBe('three');
  });
});

describe('counting', () => {
  const ASKED = { model: 'gyre', input: 'one two three', tool_choice: 'none' as const };

  it('counts the prompt with tools and what it goes on from, and samples nothing', async () => {
    const client = await start({ text: 'Fine.' });
    const given = await client.responses.create({ model: 'gyre', input: 'one two' });
    const count = async (more: object): Promise<number> =>
      (await client.responses.inputTokens.count({ ...ASKED, ...more })).input_tokens;
    const plain = await count({});
    expect(plain).toBeGreaterThan(0);
    expect(await count({ instructions: 'Be very brief.' })).toBeGreaterThan(plain);
    expect(
      await count({ tools: [{ ...WEATHER, description: 'Tells the weather.' }], tool_choice: 'auto' }),
    ).toBeGreaterThan(plain);
    expect(await count({ previous_response_id: given.id })).toBeGreaterThan(plain);
    expect(gateway.logged).toHaveLength(1);
    await expect(client.responses.inputTokens.count({ input: 'q' })).rejects.toMatchObject({
      status: 400,
      param: 'model',
    });
    await expect(count({ conversation: 'c' })).rejects.toMatchObject({ status: 400, param: 'conversation' });
  });
});

describe('compacting', () => {
  const INPUT = [
    { role: 'user' as const, content: 'We launch on Tuesday.' },
    { role: 'assistant' as const, content: 'Understood.' },
  ];

  it('gives a window that can be sent back as it is, and logs the sum without consent', async () => {
    const client = await start({ text: 'Launch: Tuesday.' }, { text: 'On.' });
    const made = await client.responses.compact({
      model: 'gyre',
      input: INPUT,
      instructions: 'Brief.',
      prompt_cache_key: 'k',
    });
    expect(made).toMatchObject({
      object: 'response.compaction',
      output: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'We launch on Tuesday.' }] },
        { type: 'compaction' },
      ],
      usage: { output_tokens: 3 },
    });
    expect(gateway.logged[0]?.steps[0]?.notTrainable).toBe('no_consent');
    await expect(client.responses.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
    const input = [...made.output, { role: 'user', content: 'Go on.' }] as OpenAI.Responses.ResponseInput;
    expect((await client.responses.create({ model: 'gyre', input })).output_text).toBe('On.');
    const sent = gateway.engine.requests[1]?.body.messages ?? [];
    expect(sent.map(({ role }) => role)).toEqual(['user', 'user', 'user']);
    expect(String(sent[1]?.content)).toContain('Launch: Tuesday.');
  });

  it('offers no tools, and goes on from a response by its id', async () => {
    const client = await start({ text: 'Understood.' }, { text: 'Tuesday.' });
    const { id } = await client.responses.create({ model: 'gyre', input: 'We launch on Tuesday.' });
    await client.responses.compact({ model: 'gyre', previous_response_id: id });
    expect(gateway.engine.requests[1]?.body.tools).toBeUndefined();
    expect(gateway.engine.requests[1]?.body.messages).toHaveLength(3);
  });

  it('refuses what it did not make, what is damaged, and a request for nothing', async () => {
    const client = await start({ text: 'Sum.' });
    const made = await client.responses.compact({ model: 'gyre', input: INPUT });
    const item = made.output.at(-1) as { encrypted_content: string };
    const changed = item.encrypted_content.replace(/^gyre1\../, 'gyre1.Z');
    for (const encrypted_content of ['gAAAA', '', changed]) {
      const input = [
        { type: 'compaction', encrypted_content },
        { role: 'user', content: 'q' },
      ];
      await expect(client.responses.create({ model: 'gyre', input } as Asked)).rejects.toMatchObject({
        status: 400,
        param: 'input',
      });
    }
    await expect(client.responses.compact({ input: INPUT } as never)).rejects.toMatchObject({
      status: 400,
      param: 'model',
    });
    await expect(client.responses.compact({ model: 'gyre' })).rejects.toMatchObject({ status: 400, param: 'input' });
  });

  it('says so when the policy wrote nothing', async () => {
    const client = await start({ text: '' });
    await expect(client.responses.compact({ model: 'gyre', input: INPUT })).rejects.toMatchObject({ status: 502 });
  });
});

it('is asked to include only what can be included', async () => {
  const client = await start({ text: 'ok' });
  const { id } = await client.responses.create({ model: 'gyre', input: 'q' });
  await client.responses.retrieve(id, { include: ['message.output_text.logprobs', 'reasoning.encrypted_content'] });
  for (const path of [`/v1/responses/${id}`, `/v1/responses/${id}/input_items`]) {
    expect((await rows(`${path}?include=reasoning.encrypted_content`)).status).toBe(200);
    for (const query of ['include=reasoning.encrypted', 'include[]=reasoning.encrypted']) {
      const { status, body } = await rows(`${path}?${query}`);
      expect(status).toBe(400);
      expect(body).toMatchObject({
        error: { param: 'include', message: expect.stringContaining('mean "reasoning.encrypted_content"') as unknown },
      });
    }
  }
});
