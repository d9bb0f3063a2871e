/** fetch_page over real sockets: a real server, at host names that have public addresses. */
import type { ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';

import { afterEach, describe, expect, it } from 'vitest';

import type { Observation, Tool } from '../../src/core/tool.js';
import { execute } from '../../src/loop/execute.js';
import { createFetchPage } from '../../tools/fetch_page.js';
import { PUBLIC, startOutside, type Outside } from '../fakes/outside.js';

let outside: Outside;
afterEach(async () => outside.close());

const LIMITS = { timeoutMs: 2_000, maxBytes: 100_000 };

async function start(
  options: Parameters<typeof startOutside>[0] = {},
): Promise<(url: string, signal?: AbortSignal) => Promise<Observation>> {
  outside = await startOutside(options);
  outside.hosts.set('page.example.org', [PUBLIC]);
  const tool = createFetchPage({ web: { fetch: true }, limits: LIMITS }, outside.network) as Tool;
  return (url, signal = new AbortController().signal) =>
    execute(
      { id: '1', name: 'fetch_page', arguments: JSON.stringify({ url }) },
      new Map([['fetch_page', tool]]),
      LIMITS,
      signal,
    );
}

const page =
  (type: string | undefined, body: string | Buffer, headers: Record<string, string> = {}) =>
  (_: unknown, outgoing: ServerResponse): void =>
    void outgoing.writeHead(200, { ...(type === undefined ? {} : { 'content-type': type }), ...headers }).end(body);
const to =
  (location: string, status = 302) =>
  (_: unknown, outgoing: ServerResponse): void =>
    void outgoing.writeHead(status, { location }).end('moved');

it('is there only where the operator turned it on', async () => {
  outside = await startOutside();
  expect(createFetchPage({ web: { fetch: false }, limits: LIMITS }, outside.network)).toBeUndefined();
  expect(createFetchPage({ web: { fetch: true }, limits: LIMITS }, outside.network)).toMatchObject({
    pure: false,
    spec: { name: 'fetch_page' },
  });
});

describe('a page', () => {
  it('of HTML is its title, its address and its text', async () => {
    const fetchPage = await start();
    outside.answer = page(
      'text/html; charset=utf-8',
      '<html><head><title>Opening &amp; ' +
        'closing</title><script>alert("x")</script></head><body><nav>Menu</nav><h1>Harbour</h1><p>Open from ' +
        '<b>nine</b>.</p></body></html>',
    );
    expect(await fetchPage('http://page.example.org/hours?day=mon#top')).toMatchObject({
      content: 'Opening & closing\nhttp://page.example.org/hours?day=mon\n\nHarbour\n\nOpen from nine.',
    });
    expect(outside.requests[0]).toMatchObject({ to: 'page.example.org /hours?day=mon' });
    expect(outside.requests[0]?.headers.cookie).toBeUndefined();
  });

  it.each([
    ['text/plain', 'just text'],
    ['application/json', '{"a":[1,2]}'],
    ['application/ld+json; charset=utf-8', '{"b":1}'],
    ['text/markdown', '# Title'],
    ['application/xml', '<a>1</a>'],
  ])('of %s is what it is', async (type, body) => {
    const fetchPage = await start();
    outside.answer = page(type, body);
    expect((await fetchPage('http://page.example.org/')).content).toBe(`http://page.example.org/\n\n${body}`);
  });

  it.each([
    ['image/png'],
    ['application/pdf'],
    ['application/octet-stream'],
    ['text/event-stream'],
    ['video/mp4'],
    [undefined],
  ])('of type %s is not read', async (type) => {
    const fetchPage = await start();
    let sent = 0;
    outside.answer = (_incoming, outgoing) => {
      outgoing.writeHead(200, type === undefined ? {} : { 'content-type': type });
      const more = setInterval(() => outgoing.write('x'.repeat((sent += 1))), 5);
      outgoing.on('close', () => clearInterval(more));
    };
    const seen = await fetchPage('http://page.example.org/');
    expect(seen).toMatchObject({ error: 'failed' });
    expect(seen.content).toMatch(/only HTML, plain text and JSON can be read/);
  });

  it.each([404, 403, 500, 204, 304])('that answers %i is a failure, or empty', async (status) => {
    const fetchPage = await start();
    outside.answer = (_incoming, outgoing) => outgoing.writeHead(status, { 'content-type': 'text/plain' }).end();
    const seen = await fetchPage('http://page.example.org/');
    if (status === 204) expect(seen.content).toContain('(the page has no text)');
    else expect(seen).toMatchObject({ error: 'failed', content: `Error: the page answered ${status}` });
  });

  it.each([
    ['gzip', gzipSync('packed text')],
    ['deflate', deflateSync('packed text')],
    ['br', brotliCompressSync('packed text')],
    ['identity', Buffer.from('packed text')],
  ])('packed with %s is unpacked', async (encoding, body) => {
    const fetchPage = await start();
    outside.answer = page('text/plain', body, { 'content-encoding': encoding });
    expect((await fetchPage('http://page.example.org/')).content).toContain('packed text');
  });

  it('packed in an unknown way, or badly, is a failure', async () => {
    const fetchPage = await start();
    outside.answer = page('text/plain', 'x', { 'content-encoding': 'zpaq' });
    expect((await fetchPage('http://page.example.org/')).content).toContain(
      'packed in a way that is not known here: zpaq',
    );
    outside.answer = page('text/plain', 'not gzip at all', { 'content-encoding': 'gzip' });
    expect(await fetchPage('http://page.example.org/')).toMatchObject({ error: 'failed' });
  });

  it.each([
    ['text/plain; charset=iso-8859-1', Buffer.from('caf\xe9', 'latin1')],
    ['text/html', Buffer.from('<meta charset="windows-1252">caf\xe9', 'latin1')],
    ['text/html; charset=no-such-thing', Buffer.from('café')],
    ['text/plain', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('café', 'utf16le')])],
    ['text/plain', Buffer.from('\ufeffcafé')],
  ])('is read in its own encoding (%s)', async (type, body) => {
    const fetchPage = await start();
    outside.answer = page(type, body);
    expect((await fetchPage('http://page.example.org/')).content).toBe('http://page.example.org/\n\ncafé');
  });

  it('without end is read as far as the limit, and no further, packed or not', async () => {
    const fetchPage = await start();
    outside.answer = (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/plain' });
      const write = (): void => {
        while (!outgoing.destroyed && outgoing.write('a line of it\n'.repeat(10_000)));
      };
      outgoing.on('drain', write);
      write();
    };
    expect((await fetchPage('http://page.example.org/')).content).toContain('[truncated');
    const whole = await (createFetchPage({ web: { fetch: true }, limits: LIMITS }, outside.network) as Tool).run(
      { url: 'http://page.example.org/' },
      new AbortController().signal,
    );
    expect(whole.length).toBeLessThan(2_200_000);
    expect(whole.slice(-80)).toContain('[only the first 2097152 bytes of this page were read]');
    outside.answer = page('text/plain', gzipSync(Buffer.alloc(200_000_000)), { 'content-encoding': 'gzip' });
    expect((await fetchPage('http://page.example.org/')).error).toBeUndefined();
  });

  it('that never comes, or never ends, is given up; one that is cancelled is let go', async () => {
    const fetchPage = await start();
    let open = 0;
    outside.answer = (_incoming, outgoing) => {
      open += 1;
      outgoing.on('close', () => (open -= 1));
    };
    const abort = new AbortController();
    const waiting = fetchPage('http://page.example.org/', abort.signal);
    while (open === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    abort.abort();
    expect((await waiting).error).toBe('cancelled');
    while (open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await fetchPage('http://page.example.org/')).error).toBe('timeout');
    while (open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it.each([[{}], [{ url: 1 }], [{ url: 'http://a.example.org/', more: 1 }]])(
    'arguments %j are refused in a sentence',
    async (args) => {
      await start();
      await expect(
        (createFetchPage({ web: { fetch: true }, limits: LIMITS }, outside.network) as Tool).run(
          args,
          new AbortController().signal,
        ),
      ).rejects.toThrow('fetch_page takes {"url"');
    },
  );
});

describe('the connection', () => {
  it('goes to the checked address, whatever the name means a moment later', async () => {
    const fetchPage = await start();
    // Public when it is checked, private ever after: what a rebinding name does.
    outside.hosts.set('rebind.example.org', (asked) => (asked === 0 ? [PUBLIC] : ['127.0.0.1']));
    expect((await fetchPage('http://rebind.example.org/')).content).toContain('hello');
    expect(outside.resolved).toEqual(['rebind.example.org']);
    expect(outside.dialled.map(({ address }) => address)).toEqual([PUBLIC]);
    // The second time it is caught at the check, and nothing is dialled.
    const seen = await fetchPage('http://rebind.example.org/');
    expect(seen).toMatchObject({ error: 'bad_arguments' });
    expect(outside.dialled).toHaveLength(1);
  });

  it('tries the addresses in turn, and only those', async () => {
    const fetchPage = await start();
    outside.hosts.set('two.example.org', ['2606:4700::1111', PUBLIC]);
    outside.dead.add('2606:4700::1111');
    expect((await fetchPage('http://two.example.org:8080/')).content).toContain('hello');
    expect(outside.dialled.map(({ address, port }) => `${address} ${port}`)).toEqual([
      '2606:4700::1111 8080',
      `${PUBLIC} 8080`,
    ]);
    outside.dead.add(PUBLIC);
    expect((await fetchPage('http://two.example.org/')).content).toContain('nothing listens');
  });

  it('by https is for the name that was asked for, and for no other', async () => {
    const fetchPage = await start({ tls: true });
    expect((await fetchPage('https://page.example.org/')).content).toBe('https://page.example.org/\n\nhello');
    expect(outside.dialled[0]).toMatchObject({ address: PUBLIC, servername: 'page.example.org' });
    expect(outside.requests[0]?.to).toBe('page.example.org /');
    outside.hosts.set('other.example.org', [PUBLIC]);
    const seen = await fetchPage('https://other.example.org/');
    expect(seen).toMatchObject({ error: 'failed' });
    expect(seen.content).toContain('altnames');
    expect(outside.requests).toHaveLength(1);
  });

  it('reads no proxy from the environment', async () => {
    const fetchPage = await start();
    const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'ALL_PROXY'];
    for (const name of names) process.env[name] = 'http://127.0.0.1:1';
    try {
      expect((await fetchPage('http://page.example.org/')).content).toContain('hello');
    } finally {
      for (const name of names) Reflect.deleteProperty(process.env, name);
    }
  });
});

describe('a redirect', () => {
  it('is followed, relative or to another host, up to five times', async () => {
    const fetchPage = await start();
    outside.hosts.set('other.example.org', [PUBLIC]);
    outside.answer = (incoming, outgoing) => {
      const at = Number(incoming.url?.slice(1));
      if (at === 0) outgoing.writeHead(200, { 'content-type': 'text/plain' }).end('arrived');
      else to(at % 2 === 0 ? `/${at - 1}` : `http://other.example.org/${at - 1}`)(incoming, outgoing);
    };
    expect((await fetchPage('http://page.example.org/5')).content).toBe('http://other.example.org/0\n\narrived');
    expect(outside.requests).toHaveLength(6);
    expect(await fetchPage('http://page.example.org/6')).toMatchObject({
      error: 'failed',
      content: 'Error: "http://page.example.org/6" was redirected more than 5 times',
    });
  });

  it.each([
    'http://127.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost:8080/',
    'http://[::1]/',
    'http://2130706433/',
    '//10.0.0.1/',
    'http://inside.example.org/',
    'file:///etc/passwd',
    'http://user:pass@page.example.org/',
    'http://page.example.org:22/',
    'gopher://page.example.org/',
  ])('to %s is refused like a first address', async (target) => {
    const fetchPage = await start();
    outside.hosts.set('inside.example.org', ['10.0.0.1']);
    outside.answer = to(target, 307);
    const seen = await fetchPage('http://page.example.org/');
    expect(seen).toMatchObject({ error: 'bad_arguments' });
    expect(outside.requests).toHaveLength(1);
    expect(outside.dialled).toHaveLength(1);
  });

  it('to the same name is looked up and checked again', async () => {
    const fetchPage = await start();
    outside.hosts.set('rebind.example.org', (asked) => (asked === 0 ? [PUBLIC] : ['169.254.169.254']));
    outside.answer = to('/again');
    expect(await fetchPage('http://rebind.example.org/')).toMatchObject({ error: 'bad_arguments' });
    expect(outside.dialled).toHaveLength(1);
  });

  it('to nothing that is an address is a failure', async () => {
    const fetchPage = await start();
    outside.answer = to('http://[');
    expect((await fetchPage('http://page.example.org/')).content).toContain('which is not an address');
  });
});
