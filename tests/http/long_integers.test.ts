/**
 * Integers beyond 2^53 wherever a client may put a value: they reach the engine with the same digits, come back so, and
 * no answer fails of them. The bodies are text, because no number of JavaScript could say them.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { inTurn } from '../fakes/engine.js';
import { startGateway, type Gateway } from '../fakes/gateway.js';
import { dial } from '../fakes/socket.js';
import { verify } from '../../src/store/proof/verify.js';

const LONG = '12345678901234567890';
const SCHEMA = `{"type":"object","properties":{"id":{"type":"integer","maximum":${LONG}}}}`;

let gateway: Gateway;
let seen = '';
beforeEach(async () => {
  gateway = await startGateway({
    script: inTurn({ calls: [{ id: 'c1', name: 'find', arguments: `{"id": ${LONG}}` }] }),
  });
  seen = '';
  gateway.engine.seenText = (text) => (seen = text);
});
afterEach(async () => {
  await gateway.app.idle();
  expect(verify(gateway.store.db).problems).toEqual([]);
  await gateway.close();
});

async function post(path: string, body: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, text: await response.text() };
}

async function get(path: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(gateway.url + path);
  return { status: response.status, text: await response.text() };
}

const RESPONSE_TOOL = `{"type":"function","name":"find","parameters":${SCHEMA}}`;

describe('an integer beyond 2^53', () => {
  it.each([
    ['the schema of a tool', `"tools":[{"type":"function","function":{"name":"find","parameters":${SCHEMA}}}]`],
    ['chat_template_kwargs', `"chat_template_kwargs":{"n":${LONG}}`],
    ['structured_outputs', `"structured_outputs":{"json":${SCHEMA}}`],
    ['a response format', `"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":${SCHEMA}}}`],
  ])('reaches the engine in %s of a chat, whole and streamed', async (_, field) => {
    for (const stream of ['false', 'true']) {
      const { status, text } = await post(
        '/v1/chat/completions',
        `{"model":"gyre","messages":[{"role":"user","content":"q"}],"stream":${stream},${field}}`,
      );
      expect({ status, text: status === 200 ? '' : text }).toEqual({ status: 200, text: '' });
      expect(seen).toContain(LONG);
    }
  });

  it.each([
    ['a part of a type that is not known', `{"role":"user","content":[{"type":"thing","n":${LONG}}]}`],
    ['what an SDK added to a message', `{"role":"user","content":"q","n":${LONG}}`],
    [
      "a call's own fields",
      `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","extra_content":{"n":${LONG}},` +
        `"function":{"name":"find","arguments":"{\\"id\\":${LONG}}"}}]},` +
        '{"role":"tool","tool_call_id":"a","content":"x"}',
    ],
  ])('is no fault in %s, also when the log is read', async (_, message) => {
    const { status, text } = await post('/v1/chat/completions', `{"model":"gyre","messages":[${message}]}`);
    expect({ status, text: status === 200 ? '' : text }).toEqual({ status: 200, text: '' });
    const list = await get('/gyre/v1/trajectories?view=client');
    expect(list.status).toBe(200);
    const { data } = JSON.parse(list.text) as { data: { id: string; steps: { id: string }[] }[] };
    expect((await get(`/gyre/v1/trajectories/${data[0]?.id}`)).status).toBe(200);
    expect((await get(`/gyre/v1/steps/${data[0]?.steps[0]?.id}`)).status).toBe(200);
  });

  it('reaches the engine in kwargs of raw completions', async () => {
    const { status } = await post(
      '/v1/completions',
      `{"model":"gyre","prompt":"q","structured_outputs":{"json":${SCHEMA}}}`,
    );
    expect([status, seen.includes(LONG)]).toEqual([200, true]);
  });

  it('comes back in the echo of a response, stored, listed and deleted', async () => {
    const { status, text } = await post('/v1/responses', `{"model":"gyre","input":"q","tools":[${RESPONSE_TOOL}]}`);
    expect([status, text.includes(`"maximum":${LONG}`)]).toEqual([200, true]);
    expect(seen).toContain(LONG);
    const { id } = JSON.parse(text) as { id: string };
    const again = await get(`/v1/responses/${id}`);
    expect([again.status, again.text]).toEqual([200, text]);
    expect((await get(`/v1/responses/${id}?stream=true`)).text).toContain(LONG);
    expect((await get(`/v1/responses/${id}/input_items`)).status).toBe(200);
  });

  it('is streamed in events of a response, over HTTP and over a WebSocket', async () => {
    const body = `"model":"gyre","input":"q","tools":[${RESPONSE_TOOL}]`;
    const streamed = await post('/v1/responses', `{${body},"stream":true}`);
    expect([streamed.status, streamed.text.includes(LONG)]).toEqual([200, true]);
    const socket = await dial(gateway.url);
    const raw: string[] = [];
    socket.socket.on('message', (data: Buffer) => raw.push(data.toString()));
    socket.send(`{"type":"response.create",${body}}`);
    let said;
    do said = await socket.next();
    while (said.type !== 'response.completed' && said.type !== 'error');
    expect(said.type).toBe('response.completed');
    expect(raw.at(-1)).toContain(`"maximum":${LONG}`);
    socket.close();
  });

  it.each([
    ['a hosted tool', `"tools":[{"type":"web_search","n":${LONG}},${RESPONSE_TOOL}]`],
    ['a namespace', `"tools":[{"type":"namespace","name":"ns","tools":[${RESPONSE_TOOL}]}]`],
    ['a custom tool', `"tools":[{"type":"custom","name":"raw","format":{"type":"text","n":${LONG}}}]`],
    ['text.format', `"text":{"format":{"type":"json_schema","name":"a","schema":${SCHEMA}}}`],
    ['client_metadata', `"client_metadata":{"n":${LONG}}`],
    ['the choice of a tool', `"tools":[${RESPONSE_TOOL}],"tool_choice":{"type":"function","name":"find","n":${LONG}}`],
    ['the action of a call by a hosted shell', '"tools":[]'],
  ])('is no fault in %s of a response', async (_, field) => {
    const input =
      `[{"role":"user","content":"q"},{"type":"local_shell_call","call_id":"s","action":{"n":${LONG}}},` +
      `{"type":"local_shell_call_output","call_id":"s","output":"1"},` +
      `{"type":"web_search_call","id":"w","action":{"n":${LONG}},"results":[{"n":${LONG}}]}]`;
    const { status, text } = await post('/v1/responses', `{"model":"gyre","input":${input},${field}}`);
    expect({ status, text: status === 200 ? '' : text }).toEqual({ status: 200, text: '' });
    const { id } = JSON.parse(text) as { id: string };
    expect((await get(`/v1/responses/${id}`)).text).toBe(text);
    expect((await get(`/v1/responses/${id}/input_items`)).status).toBe(200);
  });

  it('is no fault in what is compacted or counted', async () => {
    gateway.engine.script = inTurn({ text: 'summary' });
    const body = `{"model":"gyre","input":[{"role":"user","content":"q","n":${LONG}}],"tools":[${RESPONSE_TOOL}]}`;
    expect((await post('/v1/responses/compact', body)).status).toBe(200);
    expect((await post('/v1/responses/input_tokens', body)).status).toBe(200);
  });

  it('reaches the engine from a schema, an input and examples of the Messages API, and comes back', async () => {
    const tools = `"tools":[{"name":"find","input_schema":${SCHEMA},"input_examples":[{"id":${LONG}}]}]`;
    const messages =
      `"messages":[{"role":"user","content":"q"},` +
      `{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"find","input":{"id":${LONG}}}]},` +
      `{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x","n":${LONG}}]}]`;
    for (const stream of ['false', 'true']) {
      const { status, text } = await post(
        '/v1/messages',
        `{"model":"gyre","max_tokens":9,"stream":${stream},${messages},${tools}}`,
      );
      expect([status, text.includes(LONG)]).toEqual([200, true]);
      expect(seen.split(LONG).length).toBeGreaterThan(3);
    }
    expect((await post('/v1/messages/count_tokens', `{"model":"gyre",${messages},${tools}}`)).status).toBe(200);
  });

  it.each([
    ['/v1/chat/completions', `{"model":"gyre","messages":[{"role":"user","content":${LONG}}]}`, 'messages.0.content'],
    ['/v1/chat/completions', `{"model":"gyre","messages":[],"max_tokens":${LONG}}`, 'm'],
    ['/v1/chat/completions', `{"model":"gyre","messages":[{"role":"user","content":"q"}],"seed":${LONG}}`, 'seed'],
    ['/v1/responses', `{"model":"gyre","input":${LONG}}`, 'input'],
    ['/v1/responses', `{"model":"gyre","input":"q","metadata":{"n":${LONG}}}`, 'metadata.n'],
    ['/v1/responses', `{"model":"gyre","input":"q","tools":[{"type":"functino","name":${LONG}}]}`, 'tools.0'],
    ['/v1/responses', `{"model":"gyre","input":[{"type":${LONG}}]}`, 'input.0'],
    ['/v1/messages', `{"model":"gyre","max_tokens":1,"messages":[{"role":"user","content":[${LONG}]}]}`, 'messages.0'],
    ['/v1/messages', `{"model":"gyre","max_tokens":1,"messages":[{"role":${LONG}}]}`, 'messages.0'],
    ['/v1/feedback', `{"response_id":"a","value":${LONG}}`, 'value'],
    ['/v1/feedback', `{"response_id":${LONG},"value":1}`, 'response_id'],
    ['/v1/responses', LONG, ''],
  ])('is refused by name at %s where no such number can be: %s', async (path, body, field) => {
    const { status, text } = await post(path, body);
    expect(status).toBe(400);
    expect(text).toContain(field);
  });
});
