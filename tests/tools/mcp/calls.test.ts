/** Calls of tools whose servers are reached over HTTP, as the loop makes them: real servers, real sockets. */
import { expect, test } from 'vitest';

import { echo, says, type FakeTool } from '../../fakes/mcp.js';
import { fake, until, up } from './bench.js';

test.each([[false], [true]])(
  "a tool of a server is listed and called under its server's name (answers as JSON: %s)",
  async (json) => {
    const server = await fake([echo], { json });
    const { toolbox, call, servers } = await up([{ name: 'files', url: server.url }]);
    expect([...toolbox.keys()]).toEqual(['files__echo']);
    expect(toolbox.get('files__echo')).toMatchObject({
      pure: false,
      spec: { name: 'files__echo', description: 'Says it back.', parameters: { type: 'object', required: ['text'] } },
    });
    expect(await call('files__echo', { text: 'hello' })).toMatchObject({ content: 'echo: hello' });
    expect((await call('files__echo', { text: 'hello' })).error).toBeUndefined();
    expect(servers.parts()).toEqual([{ part: 'mcp:files', ready: true, needed: false, detail: '1 tool' }]);
  },
);

test('calls side by side share one session, and each gets its own answer', async () => {
  const server = await fake([echo]);
  const { call } = await up([{ name: 's', url: server.url }]);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => call('s__echo', { text: String(at) })));
  expect(answers.map(({ content }) => content)).toEqual(Array.from({ length: 20 }, (_, at) => `echo: ${at}`));
  expect(server.opened).toBe(1);
  expect(server.asked.filter(({ method }) => method === 'tools/list')).toHaveLength(1);
});

test('configured headers are sent with every request, and what a server echoes of them is taken out', async () => {
  const token = 'sk-very-secret-0123456789';
  const leaky: FakeTool = { name: 'leak', run: () => says(`I was called with ${token} and Bearer ${token}`) };
  const server = await fake([leaky]);
  const { call, warnings, servers } = await up([
    { name: 's', url: server.url, headers: { authorization: `Bearer ${token}` } },
  ]);
  expect((await call('s__leak')).content).toBe('I was called with [redacted] and [redacted]');
  server.instead = (_incoming, outgoing, method) => {
    if (method !== 'tools/call') return false;
    outgoing.writeHead(500).end(`debug: authorization = Bearer ${token}`);
    return true;
  };
  const failed = await call('s__leak');
  expect(failed).toMatchObject({ error: 'failed' });
  expect(failed.content).toContain('debug: authorization = [redacted]');
  server.instead = (_incoming, outgoing) => {
    outgoing.writeHead(401).end(`no such token ${token}`);
    return true;
  };
  await server.forget();
  await call('s__leak');
  await until(() => warnings.some((text) => text.includes('is down')), 'the warning');
  expect(server.asked.every(({ headers }) => headers.authorization === `Bearer ${token}`)).toBe(true);
  expect(JSON.stringify([warnings, servers.parts()])).not.toContain(token);
  expect(JSON.stringify(warnings)).toContain('[redacted]');
});

test("a result that is an error is a failed observation with the server's own words", async () => {
  const server = await fake([{ name: 'broken', run: () => ({ ...says('disk is full'), isError: true }) }]);
  const { call } = await up([{ name: 's', url: server.url }]);
  expect(await call('s__broken')).toMatchObject({ content: 'Error: disk is full', error: 'failed' });
});

test('text is kept, and what is not text is named', async () => {
  const server = await fake([
    {
      name: 'mixed',
      run: () => ({
        content: [
          { type: 'text', text: 'A chart:' },
          { type: 'image', mimeType: 'image/png', data: Buffer.alloc(300).toString('base64') },
          { type: 'resource', resource: { uri: 'file:///a.txt', text: 'inside' } },
          { type: 'resource_link', uri: 'file:///b', name: 'b' },
        ],
      }),
    },
    { name: 'structured', run: () => ({ content: [], structuredContent: { degrees: 21 } }) },
    { name: 'nothing', run: () => ({ content: [] }) },
  ]);
  const { call } = await up([{ name: 's', url: server.url }]);
  expect((await call('s__mixed')).content).toBe(
    'A chart:\n[image of type image/png, 300 bytes: not shown]\n[resource ' +
      'file:///a.txt]\ninside\n[link to b: file:///b]',
  );
  expect((await call('s__structured')).content).toBe('{"degrees":21}');
  expect((await call('s__nothing')).content).toBe('(the tool gave no content)');
});

test('a server has bounds of its own: time, and bytes of an observation', async () => {
  const slow: FakeTool = {
    name: 'slow',
    run: (_args, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(says('late')))),
  };
  const server = await fake([slow, { name: 'long', run: () => says('x'.repeat(5_000)) }]);
  const { call } = await up([{ name: 's', url: server.url, timeout_seconds: 0.3, output_bytes: 300 }]);
  expect(await call('s__slow')).toMatchObject({ error: 'timeout', content: 'Error: no result within 0.3 seconds.' });
  await until(() => server.cancelled === 1, 'the cancellation');
  const { content } = await call('s__long');
  expect(Buffer.byteLength(content)).toBeLessThanOrEqual(300);
  expect(content).toContain('[truncated: this result has 5000 bytes, the limit is 300]');
});

test('a caller that gives up is heard by the server, and the next call is answered', async () => {
  let running = 0;
  const wait: FakeTool = {
    name: 'wait',
    run: (_args, signal) =>
      new Promise((resolve) => {
        running += 1;
        signal.addEventListener('abort', () => resolve(says('late')));
      }),
  };
  const server = await fake([wait, echo]);
  const { call } = await up([{ name: 's', url: server.url }]);
  const abort = new AbortController();
  const waiting = call('s__wait', {}, abort.signal);
  await until(() => running === 1, 'the call');
  abort.abort();
  expect((await waiting).error).toBe('cancelled');
  await until(() => server.cancelled === 1, 'the cancellation');
  expect((await call('s__echo', { text: 'on' })).content).toBe('echo: on');
  expect(server.opened).toBe(1);
});

test.each([[false], [true]])(
  'an answer too large to be read is a failure, and the session goes on (answers as JSON: %s)',
  async (json) => {
    const server = await fake([{ name: 'flood', run: () => says('x'.repeat(9 * 1024 * 1024)) }, echo], { json });
    const { call } = await up([{ name: 's', url: server.url }]);
    const flooded = await call('s__flood');
    expect(flooded).toMatchObject({ error: 'failed' });
    expect(flooded.content).toContain('has more than 8388608 bytes');
    expect((await call('s__echo', { text: 'still' })).content).toBe('echo: still');
  },
);

test('arguments that are no object never reach the server', async () => {
  const server = await fake([echo]);
  const { call } = await up([{ name: 's', url: server.url }]);
  expect(await call('s__echo', [1])).toMatchObject({ error: 'bad_arguments' });
  expect(server.asked.some(({ method }) => method === 'tools/call')).toBe(false);
});
