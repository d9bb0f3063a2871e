/** Upstreams, servers of tools and tools that reach out, through a real proxy. */
import { createServer as createSecure } from 'node:https';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { proxiesOf } from '../../src/core/proxy.js';
import type { Tool } from '../../src/core/tool.js';
import { execute } from '../../src/loop/execute.js';
import { createFetchPage } from '../../tools/fetch_page.js';
import { openToolServers } from '../../tools/mcp/servers.js';
import { createSearchWeb } from '../../tools/search_web.js';
import { inTurn } from '../fakes/engine.js';
import { echo, startMcp } from '../fakes/mcp.js';
import { CERTIFICATE, KEY, PUBLIC, startOutside } from '../fakes/outside.js';
import { type ForwardProxy, startProxy } from '../fakes/proxy.js';
import { ASK, closeOpened, opened, refused, server, start } from '../fakes/upstreams.js';

let proxy: ForwardProxy;
beforeEach(async () => {
  proxy = await startProxy();
});
afterEach(async () => {
  await closeOpened();
  await proxy.close();
  vi.unstubAllEnvs();
});

const limits = { timeoutMs: 5_000, maxBytes: 16_384 };
const run = async (tool: Tool | undefined, args: Record<string, unknown>): Promise<string> =>
  (
    await execute(
      { id: 'c', name: tool?.spec.name ?? '', arguments: JSON.stringify(args) },
      new Map(tool === undefined ? [] : [[tool.spec.name, tool]]),
      limits,
      new AbortController().signal,
    )
  ).content;

it('an upstream of http is asked through it, by its whole address and with its own key', async () => {
  const upstream = await server(inTurn({ text: 'through the proxy' }), ['big']);
  proxy.hosts.set('api.example.test:80', upstream.port);
  const gateway = await start([{ url: 'http://api.example.test/v1', models: ['big'], api_key: 'k' }], {
    env: { HTTP_PROXY: proxy.url.replace('http://', 'http://me:secret@') },
  });
  const answers = await Promise.all([1, 2, 3].map(() => gateway.client.chat.completions.create(ASK)));
  expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(Array(3).fill('through the proxy'));
  expect(proxy.asked).toEqual(Array(3).fill('POST http://api.example.test/v1/chat/completions'));
  expect(proxy.shown[0]).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
  expect(upstream.requests[0]?.headers).toMatchObject({ host: 'api.example.test', authorization: 'Bearer k' });
});

it('an upstream of https is asked through a tunnel', async () => {
  const secure = createSecure({ key: KEY, cert: CERTIFICATE }, (_incoming, outgoing) =>
    outgoing
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ choices: [{ index: 0, message: { content: 'sealed' }, finish_reason: 'stop' }] })),
  );
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  opened.push({
    close: () =>
      new Promise((resolve) => {
        secure.close(() => resolve());
        secure.closeAllConnections();
      }),
  });
  proxy.hosts.set('page.example.org:443', (secure.address() as AddressInfo).port);
  // The certificate of the test is signed by itself.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const gateway = await start([{ url: 'https://page.example.org/v1', models: ['big'] }], {
    env: { https_proxy: proxy.url },
  });
  expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('sealed');
  expect(proxy.asked).toEqual(['CONNECT page.example.org:443']);
  proxy.refuses = 407;
  const second = await start([{ url: 'https://page.example.org/v1', models: ['big'] }], {
    env: { https_proxy: proxy.url },
  });
  expect(await refused(second)).toMatchObject({
    status: 502,
    message: `The upstream at https://page.example.org cannot be reached: the proxy at ${proxy.url} answered 407.`,
  });
});

it('a proxy that is not there is named, without its password', async () => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  for (const scheme of ['http', 'https']) {
    const gateway = await start([{ url: `${scheme}://api.example.test`, models: ['big'] }], {
      env: { [`${scheme}_proxy`]: `http://me:secret@127.0.0.1:${port}` },
    });
    const { status, message } = await refused(gateway);
    expect(status).toBe(503);
    expect(message).toContain(`through the proxy at http://127.0.0.1:${port}`);
    expect(message).not.toContain('secret');
  }
});

it('loopback, and what NO_PROXY names, is reached without it', async () => {
  const upstream = await server(inTurn({ text: 'direct' }), ['big']);
  const env = { HTTP_PROXY: proxy.url, NO_PROXY: 'api.example.test' };
  const gateway = await start([{ url: upstream.url, models: ['big'] }], { env });
  expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('direct');
  expect(proxiesOf(env)(new URL('http://api.example.test'))).toBeUndefined();
  expect(proxy.asked).toEqual([]);
});

it('a server of tools over HTTP is reached through it', async () => {
  const mcp = await startMcp([echo]);
  opened.push(mcp);
  proxy.hosts.set('tools.example.test:80', Number(new URL(mcp.url).port));
  const dataDir = mkdtempSync(join(tmpdir(), 'gyre-proxied-'));
  const toolbox = new Map<string, Tool>();
  const servers = openToolServers({
    servers: [{ name: 'far', url: mcp.url.replace(/\/\/[^/]+/, '//tools.example.test') }],
    dataDir,
    limits,
    toolbox,
    version: 'test',
    warn: () => undefined,
    proxyFor: proxiesOf({ HTTP_PROXY: proxy.url }),
  });
  try {
    await servers.prepare(['far__echo']);
    expect(await run([...toolbox.values()][0], { text: 'hi' })).toContain('echo: hi');
  } finally {
    await servers.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
  expect(proxy.asked[0]).toMatch(/^POST http:\/\/tools\.example\.test\//);
});

it('the search engine is asked through it', async () => {
  const outside = await startOutside();
  opened.push(outside);
  outside.answer = (_incoming, outgoing) =>
    outgoing
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ results: [{ title: 'Found', url: 'https://example.org/', content: 'it' }] }));
  proxy.hosts.set('search.example.test:80', outside.port);
  const tool = createSearchWeb({
    web: { search_url: 'http://search.example.test/search', fetch: false },
    limits,
    proxyFor: proxiesOf({ HTTP_PROXY: proxy.url }),
  });
  expect(await run(tool, { query: 'q' })).toContain('Found');
  expect(proxy.asked).toEqual(['GET http://search.example.test/search?q=q&format=json']);
});

it('a page is fetched through it, and what is not public is refused', async () => {
  const outside = await startOutside();
  opened.push(outside);
  outside.hosts.set('known.example.org', [PUBLIC]);
  outside.hosts.set('inside.example.org', ['10.0.0.7']);
  outside.answer = (incoming, outgoing) =>
    incoming.url === '/away'
      ? outgoing.writeHead(302, { location: 'http://169.254.169.254/latest' }).end()
      : outgoing.writeHead(200, { 'content-type': 'text/plain' }).end('hello');
  for (const host of ['known.example.org', 'far.example.org', 'inside.example.org', '10.0.0.7', 'db.internal'])
    proxy.hosts.set(`${host}:80`, outside.port);
  const tool = createFetchPage(
    { web: { fetch: true }, limits, proxyFor: proxiesOf({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }) },
    outside.network,
  );
  expect(await run(tool, { url: 'http://known.example.org/' })).toContain('hello');
  expect(await run(tool, { url: 'http://far.example.org/' })).toContain('hello');
  expect(outside.dialled).toEqual([]);
  expect(proxy.asked).toEqual(['GET http://known.example.org/', 'GET http://far.example.org/']);
  for (const url of [
    'http://10.0.0.7/',
    'http://inside.example.org/',
    'http://db.internal/',
    'http://localhost/',
    'http://127.0.0.1/',
    'http://[::1]/',
    'https://192.168.1.1/',
    'http://2130706433/',
    'http://known.example.org:25/',
    'http://known.example.org/away',
  ])
    expect(await run(tool, { url }), url).toMatch(/^Error: /);
  expect(proxy.asked.slice(2)).toEqual(['GET http://known.example.org/away']);
});
