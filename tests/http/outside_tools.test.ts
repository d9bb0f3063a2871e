/**
 * Tools of servers through the gateway: named in a request, run in the loop, counted, and coming and going while
 * requests are answered.
 */
import { afterEach, expect, test } from 'vitest';

import type { Tool } from '../../src/core/tool.js';
import { startMcp, says, echo, type McpFake } from '../fakes/mcp.js';
import { inTurn } from '../fakes/engine.js';
import { adder, startGateway, type Gateway, type GatewayOptions } from '../fakes/gateway.js';
import { open, until, type McpBench } from '../tools/mcp/bench.js';

let gateway: Gateway;
let server: McpFake;
afterEach(async () => {
  await gateway.close();
  await server.close();
});

/** A gateway whose toolbox is that of the servers, beside the calculator. */
async function start(options: GatewayOptions = {}, tools?: Parameters<typeof startMcp>[0]): Promise<McpBench> {
  server = await startMcp(tools);
  const outside = open([{ name: 'files', url: server.url }]);
  outside.toolbox.set('calculator', adder);
  await until(() => outside.toolbox.size > 1, 'the tools');
  gateway = await startGateway({
    ...options,
    deps: { tools: outside.toolbox, parts: () => [{ part: 'engine', ready: true }, ...outside.servers.parts()] },
  });
  return outside;
}

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };
const call = (name: string, args: unknown): { calls: { name: string; arguments: string }[] } => ({
  calls: [{ name, arguments: JSON.stringify(args) }],
});

test('a request that names a tool of a server gets it run, observed and counted', async () => {
  await start({ script: inTurn(call('files__echo', { text: 'hello' }), { text: 'done' }) });
  const answer = (await (await gateway.post({ ...ASK, tools: [{ type: 'gyre:files__echo' }] })).json()) as {
    choices: { message: { content: string } }[];
    usage: unknown;
  };
  expect(answer).toMatchObject({
    choices: [{ message: { content: 'done' } }],
    usage: { server_tool_use: { requested: 1, executed: 1, by_tool: { files__echo: 1 } } },
  });
  expect(gateway.engine.requests[0]?.body.tools).toMatchObject([
    { function: { name: 'files__echo', description: 'Says it back.', parameters: { type: 'object' } } },
  ]);
  expect(gateway.engine.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: 'echo: hello' });
  expect(gateway.logged[0]?.steps[0]).toMatchObject({
    calls: [{ name: 'files__echo', owner: 'server', observation: { content: 'echo: hello' } }],
  });
  expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain(
    'gyre_tool_seconds_count{tool="files__echo"} 1',
  );
});

test('it is offered by default when the configuration says so, beside others, and may be forced', async () => {
  await start({ script: inTurn({}), config: { tools: { default: ['calculator', 'files__echo'] } } });
  await gateway.post(ASK);
  await gateway.post({ ...ASK, tools: [{ type: 'gyre:files__echo' }], tool_choice: { type: 'gyre:files__echo' } });
  expect(gateway.engine.requests[0]?.body.tools?.map((tool) => tool.function.name)).toEqual([
    'calculator',
    'files__echo',
  ]);
  expect(gateway.engine.requests[1]?.body.tool_choice).toMatchObject({ function: { name: 'files__echo' } });
});

test('a tool comes and goes while requests are answered, and a withdrawn one says so', async () => {
  const outside = await start({ script: inTurn(call('files__echo', { text: 'x' }), { text: 'done' }) });
  expect(await (await gateway.post({ ...ASK, tools: [{ type: 'gyre:files__late' }] })).json()).toMatchObject({
    error: { param: 'tools', message: expect.stringContaining('There is no server tool "gyre:files__late"') as string },
  });
  server.tools = [
    { ...echo, description: 'Changed.' },
    { name: 'late', run: () => says('now') },
  ];
  await server.announce();
  await until(() => outside.toolbox.has('files__late'), 'the new tool');
  const seen = (await (
    await gateway.post({ ...ASK, tools: [{ type: 'gyre:files__late' }, { type: 'gyre:files__echo' }] })
  ).json()) as { usage: unknown };
  expect(seen).toMatchObject({ usage: { server_tool_use: { requested: 1 } } });
  expect(gateway.engine.requests[1]?.body.messages.at(-1)?.content).toContain('the tool "files__echo" is withdrawn');
  expect(gateway.engine.requests[0]?.body.tools?.find((tool) => tool.function.name === 'files__echo')).toMatchObject({
    function: { description: 'Says it back.' },
  });
  const ready = (await (await fetch(`${gateway.url}/ready`)).json()) as { parts: unknown };
  expect(ready).toMatchObject({
    ready: true,
    waiting_for: [],
    parts: [
      { part: 'engine' },
      { part: 'mcp:files', ready: true, needed: false, detail: expect.stringContaining('withdrawn') as string },
    ],
  });
});

test('a server that is down is a part that is waited for and not needed', async () => {
  const outside = await start({ script: inTurn({ text: 'fine' }) });
  await server.down();
  await until(() => outside.servers.parts()[0]?.ready === false, 'the part to be down');
  const response = await fetch(`${gateway.url}/ready`);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ ready: true, waiting_for: [expect.stringMatching(/^mcp:files: /)] });
  expect((await gateway.post(ASK)).status).toBe(200);
});

test('a client that hangs up is heard by the server of the tool', async () => {
  let running = 0;
  await start({ script: inTurn(call('files__wait', {}), {}) }, [
    {
      name: 'wait',
      run: (_args, signal) =>
        new Promise((resolve) => {
          running += 1;
          signal.addEventListener('abort', () => resolve(says('late')));
        }),
    },
  ]);
  const abort = new AbortController();
  const asking = gateway
    .post({ ...ASK, tools: [{ type: 'gyre:files__wait' }] }, { signal: abort.signal })
    .catch(() => undefined);
  await until(() => running === 1, 'the call');
  abort.abort();
  await asking;
  await until(() => server.cancelled === 1, 'the cancellation');
});

test("bounds of a tool's own hold in the loop instead of the configured ones", async () => {
  const slow: Tool = {
    spec: { name: 'slow' },
    pure: false,
    limits: { timeoutMs: 3_000, maxBytes: 200 },
    run: () => new Promise((resolve) => setTimeout(() => resolve('x'.repeat(900)), 400)),
  };
  const outside = await start({
    script: inTurn(call('slow', {}), {}),
    config: { tools: { timeout_seconds: 0.1, output_bytes: 100_000 } },
  });
  outside.toolbox.set('slow', slow);
  await gateway.post({ ...ASK, tools: [{ type: 'gyre:slow' }] });
  const observed = String(gateway.engine.requests[1]?.body.messages.at(-1)?.content);
  expect(observed).toContain('[truncated: this result has 900 bytes, the limit is 200]');
});
