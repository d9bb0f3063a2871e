/**
 * Items of the Responses API that a client only refers to, as the Vercel AI SDK does by default: they stand for what
 * this key was told, and for nothing else.
 */
import OpenAI from 'openai';
import { afterEach, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

type Items = OpenAI.Responses.ResponseInput;

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (replies: readonly Reply[], options: GatewayOptions = {}): Promise<OpenAI> =>
  (gateway = await startGateway({ script: inTurn(...replies), ...options })).client;

const SUM: Reply = {
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"1+1"}' }],
};
const CALCULATOR = { type: 'gyre:calculator' } as unknown as OpenAI.Responses.Tool;
const WEATHER = { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: null };
const ROME = { id: 'c2', name: 'weather', arguments: '{"city":"Rome"}' };

const referring = (output: readonly { readonly id?: string | null }[]): Items =>
  output.map(({ id }) => ({ type: 'item_reference', id: id ?? '' }));
const sent = (at: number): unknown => gateway.engine.requests[at]?.body.messages;

it('references to all of an answer are the answer, with what the policy knows beside it', async () => {
  const client = await start([SUM, { text: 'It is 2. ', reasoning: 'Easy.' }, { text: 'Yes.' }]);
  const input: Items = [{ role: 'user', content: '1+1?' }];
  const first = await client.responses.create({ model: 'gyre', input, tools: [CALCULATOR] });
  expect(first.output.map((item) => item.type)).toEqual(['message', 'mcp_call', 'reasoning', 'message']);
  await client.responses.create({
    model: 'gyre',
    input: [...input, ...referring(first.output), { role: 'user', content: 'Sure?' }],
  });
  expect(sent(2)).toMatchObject([
    { role: 'user' },
    { content: 'Let me see. ' },
    { role: 'tool', content: '2' },
    { role: 'assistant', content: 'It is 2. ' },
    { content: 'Sure?' },
  ]);
  expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
});

it('each of them is its own part', async () => {
  const client = await start([SUM, { text: 'It is 2. ', calls: [ROME, { ...ROME, id: 'c3' }] }, { text: 'Yes.' }]);
  const { output } = await client.responses.create({
    model: 'gyre',
    input: '1+1?',
    tools: [WEATHER, CALCULATOR],
    store: true,
  });
  const [before, , after, , second] = output;
  const alone = async (...items: ({ readonly id?: string | null } | undefined)[]): Promise<unknown> => {
    await client.responses.create({
      model: 'gyre',
      input: [...referring(items.map((item) => item ?? {})), { role: 'user', content: 'go on' }],
      tools: [WEATHER],
    });
    return sent(gateway.engine.requests.length - 1);
  };
  expect(await alone(before, after)).toMatchObject([{ content: 'Let me see. It is 2. ' }, { role: 'user' }]);
  expect(await alone(after)).toMatchObject([{ content: 'It is 2. ' }, { role: 'user' }]);
  expect(await alone(second)).toMatchObject([
    { role: 'assistant', tool_calls: [{ id: 'c3', function: { name: 'weather' } }] },
    { role: 'user' },
  ]);
});

it('a beginning that was broken off may be referred to: its client has it', async () => {
  const client = await start([{ text: ['one', ' two', ' three'], stall: 3 }, { text: 'four' }]);
  const abort = new AbortController();
  const stream = await client.responses.create(
    { model: 'gyre', input: 'count', stream: true },
    { signal: abort.signal },
  );
  let id = '';
  for await (const event of stream) {
    if (event.type === 'response.output_item.added') id = event.item.id ?? '';
    if (event.type === 'response.output_text.delta' && event.delta.includes('two')) abort.abort();
  }
  await until(() => gateway.store.sqlite.prepare('SELECT 1 FROM responses').get() !== undefined, 'the end in the log');
  await client.responses.create({
    model: 'gyre',
    input: [{ role: 'user', content: 'count' }, ...referring([{ id }]), { role: 'user', content: 'on' }],
  });
  expect(sent(1)).toMatchObject([{ content: 'count' }, { content: 'one two' }, { content: 'on' }]);
});

it('what is logged with parts redacted cannot be referred to, and says so', async () => {
  const client = await start([{ text: 'The number is 4711.' }], { config: { redact: ['\\d{4}'] } });
  const { output } = await client.responses.create({ model: 'gyre', input: 'q' });
  await expect(client.responses.create({ model: 'gyre', input: referring(output) })).rejects.toMatchObject({
    status: 400,
    code: 'previous_response_redacted',
    param: 'input',
  });
});

it("another key's items are not there, nor are items that never were", async () => {
  await start([{ text: 'Secret.' }, { text: 'ok' }]);
  const secrets = new Map(
    ['ann', 'bob'].map((name) => [name, gateway.key(name).headers.authorization.replace('Bearer ', '')]),
  );
  const as = (name: string): OpenAI =>
    new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secrets.get(name) ?? '', maxRetries: 0 });
  const { output } = await as('ann').responses.create({ model: 'gyre', input: 'q' });
  const [own] = referring(output);
  for (const input of [
    [own],
    [{ type: 'item_reference', id: 'msg-0mwwz19c2001b80116185a-0' }],
    [{ type: 'item_reference', id: 'msg_0mwwz19c2001b80116185a_0' }],
    [{ type: 'item_reference', id: 'msg_of_another_server' }],
    [{ type: 'item_reference', id: 'mcp-nothing-0' }],
  ] as Items[]) {
    await expect(as('bob').responses.create({ model: 'gyre', input })).rejects.toMatchObject({
      status: 404,
      code: 'item_not_found',
      param: 'input',
      message: expect.stringContaining('send the item itself') as string,
    });
  }
  expect(gateway.engine.requests).toHaveLength(1);
  await as('ann').responses.create({
    model: 'gyre',
    input: [{ role: 'user', content: 'q' }, own as Items[number], { role: 'user', content: 'r' }],
  });
  expect(sent(1)).toMatchObject([{ content: 'q' }, { content: 'Secret.' }, { content: 'r' }]);
});

it('ids of earlier versions, which had hyphens, are still known', async () => {
  const client = await start([{ text: 'One.' }, { text: 'ok' }]);
  const { id, output } = await client.responses.create({ model: 'gyre', input: 'q', instructions: 'Be brief.' });
  const old = (each: string): string => each.replaceAll('_', '-');
  for (const column of ['responses SET id = ? WHERE id', 'steps SET response_id = ? WHERE response_id'])
    gateway.store.sqlite.prepare(`UPDATE ${column} = ?`).run(old(id), id);
  const [item] = output;
  await client.responses.create({
    model: 'gyre',
    input: [...referring([{ id: old(item?.id ?? '') }]), { role: 'user', content: 'on' }],
  });
  expect(sent(1)).toMatchObject([{ content: 'One.' }, { content: 'on' }]);
  await client.responses.create({ model: 'gyre', input: 'on', instructions: 'Anew.', previous_response_id: old(id) });
  expect(sent(2)).toMatchObject([{ content: 'Anew.' }, { content: 'q' }, { content: 'One.' }, { content: 'on' }]);
});

it('a reference may leave its type out, or null it', async () => {
  const client = await start([{ text: 'One.' }, { text: 'Two.' }]);
  const first = await client.responses.create({ model: 'gyre', input: 'q' });
  const id = first.output[0]?.id;
  for (const bare of [{ id }, { id, type: null }]) {
    await client.responses.create({
      model: 'gyre',
      input: [{ role: 'user', content: 'q' }, bare, { role: 'user', content: 'and?' }] as unknown as Items,
    });
    expect(gateway.engine.requests.at(-1)?.body.messages).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: 'One.' },
      { content: 'and?' },
    ]);
  }
  const unknown = client.responses.create({ model: 'gyre', input: [{ id: 'msg_0_0' }] as unknown as Items });
  await expect(unknown).rejects.toMatchObject({ status: 404, code: 'item_not_found' });
});
