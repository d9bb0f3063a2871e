/** Servers of tools that forget a session, restart, die in the middle, or are not there. */
import { expect, test } from 'vitest';

import { echo, says, type FakeTool, type McpFake } from '../../fakes/mcp.js';
import { fake, open, until, up } from './bench.js';

test.each([[false], [true]])(
  'a session that the server has forgotten is opened once more, and every call is made in it (answers as JSON: %s)',
  async (json) => {
    const server = await fake([echo], { json });
    const { call } = await up([{ name: 's', url: server.url }]);
    await server.forget();
    // The first to hear of it must not take the others down with the old session.
    let held = 0;
    server.instead = (_incoming, outgoing, method) => {
      if (method !== 'tools/call' || held >= 8) return false;
      held += 1;
      setTimeout(() => outgoing.writeHead(404).end('Session not found'), held * 10);
      return true;
    };
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => call('s__echo', { text: String(at) })));
    expect(answers.map(({ content }) => content)).toEqual(Array.from({ length: 8 }, (_, at) => `echo: ${at}`));
    expect(server.opened).toBe(2);
  },
);

test('a server that restarts while it is being asked by many loses none of the calls after it', async () => {
  const server = await fake([echo]);
  const { call } = await up([{ name: 's', url: server.url }]);
  await server.down();
  await server.up();
  const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => call('s__echo', { text: String(at) })));
  expect(answers.map(({ content }) => content)).toEqual(Array.from({ length: 8 }, (_, at) => `echo: ${at}`));
});

test('a server that never accepts the session is asked twice, not for ever', async () => {
  const server = await fake([echo]);
  const { call } = await up([{ name: 's', url: server.url }]);
  let refused = 0;
  server.instead = (_incoming, outgoing, method) => {
    if (method !== 'tools/call') return false;
    refused += 1;
    outgoing.writeHead(404).end('no session');
    return true;
  };
  expect(await call('s__echo', { text: 'x' })).toMatchObject({ error: 'failed' });
  expect(refused).toBe(2);
});

test('a server that dies in the middle of a call says so at once, and the call is not made again', async () => {
  let ran = 0;
  const die: FakeTool = {
    name: 'die',
    run: async () => {
      ran += 1;
      await server.down();
      return says('never heard');
    },
  };
  const server: McpFake = await fake([die]);
  const { call } = await up([{ name: 's', url: server.url }]);
  const seen = await call('s__die');
  expect(seen).toMatchObject({ error: 'failed' });
  expect(seen.content).toContain('whether the call took effect is not known');
  await server.up();
  expect(ran).toBe(1);
});

test('a server that is down at the start stops nothing; its tools come when it does and outlast outages', async () => {
  const server = await fake([echo], { listening: false });
  const { servers, toolbox, call, warnings } = open([{ name: 's', url: server.url }]);
  await until(() => warnings.length > 0, 'the warning');
  expect(servers.parts()).toMatchObject([
    { part: 'mcp:s', ready: false, needed: false, detail: expect.stringMatching(/ECONNREFUSED|connecting/) as string },
  ]);
  expect(toolbox.size).toBe(0);
  await server.up();
  await until(() => toolbox.has('s__echo'), 'the tool');
  expect((await call('s__echo', { text: 'here' })).content).toBe('echo: here');
  await server.down();
  await until(() => servers.parts()[0]?.ready === false, 'the part to be down');
  const gone = await call('s__echo', { text: 'there' });
  expect(gone).toMatchObject({ error: 'failed' });
  expect(gone.content).toMatch(/^Error: the tool server "s" cannot be reached: /);
  expect(gone.content).not.toMatch(/127\.0\.0\.1|localhost/);
  await server.up();
  await until(() => servers.parts()[0]?.ready === true, 'the part to be up');
  expect((await call('s__echo', { text: 'back' })).content).toBe('echo: back');
  // Each outage is told once, however many attempts it took.
  expect(warnings.filter((text) => text.includes('is down'))).toHaveLength(2);
  expect(warnings.filter((text) => text.includes('is up'))).toHaveLength(2);
});

test('a server that vanishes without being called is noticed', async () => {
  const server = await fake([echo]);
  const { servers } = await up([{ name: 's', url: server.url }]);
  // Its stream of notifications is opened behind the answer to the greeting.
  await until(() => server.asked.some(({ method }) => method === 'GET'), 'the stream');
  await server.down();
  await until(() => servers.parts()[0]?.ready === false, 'the part to be down');
});
