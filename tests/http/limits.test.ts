/** The loop's limits as a client meets them: one last answer turn, finish reason length, and the reason by name. */
import { afterEach, describe, expect, it } from 'vitest';

import { type EngineRequest, inTurn, type Reply } from '../fakes/engine.js';
import { startGateway, tool, type Gateway, type GatewayOptions } from '../fakes/gateway.js';

let gateway: Gateway;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };

/** Calls the tool until it is told that no more calls are possible. */
const insatiable =
  (args: (number: number) => string, name = 'calculator') =>
  (request: EngineRequest, number: number): Reply =>
    String(request.body.messages.at(-1)?.content).includes('No more tool calls')
      ? { text: 'Enough.', calls: [{ name, arguments: '{"expression":"9+9"}' }] }
      : { calls: [{ id: `call_${number}`, name, arguments: args(number) }] };
const counting = insatiable((number) => `{"expression":"${number}+1"}`);

interface Ended {
  readonly choices: readonly {
    readonly finish_reason: string;
    readonly message: { readonly content: string; readonly tool_calls?: unknown };
  }[];
  readonly gyre?: { readonly stop_reason: string };
  readonly usage: { readonly server_tool_use: { readonly requested: number; readonly executed: number } };
}

async function ask(more: Record<string, unknown> = {}): Promise<Ended> {
  return (await (await gateway.post({ ...ASK, ...more })).json()) as Ended;
}

describe('a policy that never stops calling', () => {
  it('is stopped after the steps it may take', async () => {
    await start({ script: counting, config: { 'limits.steps': 3 } });
    const answer = await ask();
    expect(answer).toMatchObject({
      gyre: { stop_reason: 'max_steps' },
      choices: [{ finish_reason: 'length', message: { content: 'Enough.' } }],
      usage: { server_tool_use: { requested: 3, executed: 3 } },
    });
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined();
    expect(gateway.engine.requests).toHaveLength(4);
    expect(gateway.engine.requests[3]?.body.tools).toHaveLength(1);
    expect(gateway.logged[0]?.ending).toMatchObject({ outcome: 'incomplete', stopReason: 'max_steps' });
  });

  it('is stopped after the calls it may make, and told which was not run', async () => {
    await start({ script: counting, config: { 'limits.tool_calls': 2 } });
    expect(await ask()).toMatchObject({
      gyre: { stop_reason: 'max_tool_calls' },
      usage: { server_tool_use: { requested: 3, executed: 2 } },
    });
    expect(
      gateway.engine.requests[3]?.body.messages
        .filter((message) => message.role === 'tool')
        .map((message) => message.content),
    ).toEqual(['1', '2', expect.stringMatching(/limit of 2 tool calls[^]*No more tool calls are possible/)]);
  });

  it('is stopped when it repeats itself', async () => {
    await start({ script: insatiable(() => '{"expression": "1+1"}') });
    expect(await ask()).toMatchObject({
      gyre: { stop_reason: 'repeated_call' },
      usage: { server_tool_use: { requested: 3, executed: 2 } },
      choices: [{ finish_reason: 'length' }],
    });
  });

  it('is stopped when its calls keep failing', async () => {
    await start({ script: insatiable(() => '{"expression": "x+y"}') });
    expect(await ask()).toMatchObject({
      gyre: { stop_reason: 'tool_errors' },
      usage: { server_tool_use: { executed: 3 } },
    });
  });

  it('is stopped when it calls what does not exist', async () => {
    await start({ script: insatiable((number) => `{"n":${number}}`, 'teleport') });
    expect(await ask()).toMatchObject({
      gyre: { stop_reason: 'tool_errors' },
      usage: { server_tool_use: { requested: 3, executed: 0 } },
    });
    expect(gateway.engine.requests[1]?.body.messages.at(-1)?.content).toContain('no tool "teleport"');
  });

  it('names the limit on the chunk with the finish reason, and the stream ends as every stream', async () => {
    await start({ script: counting, config: { 'limits.steps': 1 } });
    const raw = await (await gateway.post({ ...ASK, stream: true, stream_options: { include_usage: true } })).text();
    const chunks = raw
      .split('\n\n')
      .filter((frame) => frame.startsWith('data: {'))
      .map((frame) => JSON.parse(frame.slice(6)) as { choices: { finish_reason: string | null }[]; gyre?: unknown });
    const last = chunks.filter((chunk) => typeof chunk.choices[0]?.finish_reason === 'string');
    expect(last).toHaveLength(1);
    expect(last[0]).toMatchObject({ gyre: { stop_reason: 'max_steps' }, usage: null });
    expect(chunks.filter((chunk) => chunk.gyre !== undefined)).toHaveLength(1);
    expect(raw.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

describe('the deadline', () => {
  it('ends a policy that takes too long, with what there is', async () => {
    await start({ script: () => ({ text: 'one two three', stall: 2 }), config: { 'limits.seconds': 0.15 } });
    expect(await ask()).toMatchObject({
      gyre: { stop_reason: 'deadline' },
      choices: [{ finish_reason: 'length', message: { content: 'one' } }],
    });
    expect(gateway.logged[0]).toMatchObject({
      ending: { outcome: 'incomplete', stopReason: 'deadline' },
      steps: [{ outcome: 'cancelled' }],
    });
  });

  it('ends a tool that takes too long', async () => {
    await start({
      script: () => ({ text: 'wait', calls: [{ name: 'slow', arguments: '{}' }] }),
      config: { 'limits.seconds': 0.15, 'tools.default': ['slow'] },
      tools: [tool('slow', () => new Promise(() => undefined))],
    });
    expect(await ask()).toMatchObject({
      gyre: { stop_reason: 'deadline' },
      choices: [{ finish_reason: 'length', message: { content: 'wait' } }],
    });
  });
});

describe('an action of more calls than count', () => {
  const many = (name: string): Reply => ({
    calls: Array.from({ length: 200 }, (_, at) => ({ id: `call_${at}`, name, arguments: `{"expression":"${at}+1"}` })),
  });
  const usage = { server_tool_use: { left_out: 72 } };

  it("has the rest left out, and says so: calls of the gateway's, to the policy too", async () => {
    await start({ script: inTurn(many('calculator'), { text: 'Enough.' }), config: { 'limits.tool_calls': 1_000 } });
    expect(await ask()).toMatchObject({ usage: { server_tool_use: { executed: 128, left_out: 72 } } });
    const said = gateway.engine.requests[1]?.body.messages.filter(({ role }) => role === 'tool') ?? [];
    expect(said).toHaveLength(128);
    expect(said.at(-1)?.content).toBe('128\n\nOf one turn 128 calls are run. 72 more of this turn were not.');
  });

  const own = { tools: [{ type: 'function', function: { name: 'lookup', parameters: { type: 'object' } } }] };
  it.each([
    ['/v1/chat/completions', { ...ASK, ...own }],
    ['/v1/messages', { ...ASK, max_tokens: 9_000, tools: [{ name: 'lookup', input_schema: { type: 'object' } }] }],
    ['/v1/responses', { model: 'gyre', input: 'hi', tools: [{ type: 'function', name: 'lookup' }] }],
  ])('has the rest left out, and says so: calls of the client, %s', async (path, body) => {
    await start({ script: () => many('lookup') });
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(await answer.json()).toMatchObject({ usage });
    expect(gateway.logged[0]?.ending?.toolUse.left_out).toBe(72);
  });

  it('is no matter where the client wants one', async () => {
    await start({ script: () => many('lookup') });
    const answer = await ask({ ...own, parallel_tool_calls: false });
    expect(answer.choices[0]?.message.tool_calls).toHaveLength(1);
    expect(answer.usage.server_tool_use).toEqual({ requested: 0, executed: 0, by_tool: {} });
  });
});
