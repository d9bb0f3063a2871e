/** Integers beyond 2^53 of tool servers keep their digits: in schemas and in results, over HTTP and with children. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { writeJson } from '../../../src/core/text/json.js';
import { pinOf } from '../../../tools/mcp/pins.js';
import { temporaryFolder, up } from './bench.js';

const MOST = '9223372036854775807';
const SCHEMA = `{"type":"object","properties":{"id":{"type":"integer","maximum":${MOST},"minimum":-${MOST}}}}`;
const TOOL = `{"name":"get","description":"Of 12345678901234567890.","inputSchema":${SCHEMA}}`;
const GIVEN = `{"id":${MOST},"near":[1.5,12345678901234567890,-1],"text":"12345678901234567890"}`;

/** The result of each method as JSON text, which no JSON.stringify has written. */
const RESULTS: Readonly<Record<string, string>> = {
  initialize: '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}}',
  'tools/list': `{"tools":[${TOOL}]}`,
  'tools/call': `{"content":[],"structuredContent":${GIVEN}}`,
};

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** Answers as one message, or as a stream whose bytes are cut anywhere. */
async function overHttp(stream: boolean): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      if (incoming.method !== 'POST') return void outgoing.writeHead(405).end();
      const { id, method } = JSON.parse(Buffer.concat(parts).toString()) as { id?: number; method: string };
      if (id === undefined) return void outgoing.writeHead(202).end();
      const message = `{"jsonrpc":"2.0","id":${id},"result":${RESULTS[method] ?? '{}'}}`;
      outgoing.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
      const bytes = Buffer.from(stream ? `event: message\r\ndata: ${message}\r\n\r\n` : message);
      for (let at = 0; at < bytes.length; at += 7) outgoing.write(bytes.subarray(at, at + 7));
      outgoing.end();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

function asChild(): { readonly command: string; readonly args: readonly string[] } {
  const file = join(temporaryFolder(), 'server.mjs');
  writeFileSync(
    file,
    `import { createInterface } from 'node:readline';
const results = ${JSON.stringify(RESULTS)};
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line);
  if (id === undefined) continue;
  const result = results[method] ?? '{}';
  process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":' + result + '}\\n');
}
`,
  );
  return { command: process.execPath, args: [file] };
}

describe.each<[string, () => Promise<object>]>([
  ['over HTTP, as one message', async () => ({ url: await overHttp(false) })],
  ['over HTTP, as a stream', async () => ({ url: await overHttp(true) })],
  ['with a child process', () => Promise.resolve(asChild())],
])('a tool server %s', (_name, server) => {
  it('has its integers in schemas and in what its tools give', async () => {
    const { toolbox, call, folder } = await up([{ name: 's', ...(await server()) }]);
    const spec = toolbox.get('s__get')?.spec;
    expect(writeJson(spec?.parameters ?? {})).toBe(SCHEMA);
    expect(spec?.description).toBe('Of 12345678901234567890.');
    expect((await call('s__get')).content).toBe(GIVEN);
    expect(readFileSync(join(folder, 'tools', 's__get.json'), 'utf8')).toContain(`"maximum": ${MOST},`);
  });
});

describe('what was pinned', () => {
  it('is the same at the next start, and where an earlier build had rounded it', async () => {
    const folder = temporaryFolder();
    const server = { name: 's', url: await overHttp(false) };
    const first = await up([server], { folder });
    const file = join(folder, 'tools', 's__get.json');
    const exact = readFileSync(file, 'utf8');
    await first.servers.close();
    const rounded = pinOf('s', JSON.parse(TOOL) as Parameters<typeof pinOf>[1]);
    for (const pinned of [exact, JSON.stringify(rounded)]) {
      writeFileSync(file, pinned);
      const { toolbox, servers: opened, call } = await up([server], { folder });
      expect(opened.parts()[0]?.detail).not.toContain('withdrawn');
      expect((await call('s__get')).content).toBe(GIVEN);
      expect(writeJson(toolbox.get('s__get')?.spec.parameters ?? {})).toBe(SCHEMA);
      await opened.close();
    }
  });

  it('is still another where its server has changed it', async () => {
    const folder = temporaryFolder();
    const server = { name: 's', url: await overHttp(false) };
    await (await up([server], { folder })).servers.close();
    const file = join(folder, 'tools', 's__get.json');
    const other = JSON.parse(TOOL) as Parameters<typeof pinOf>[1];
    writeFileSync(file, JSON.stringify(pinOf('s', { ...other, description: 'Another.' })));
    const { servers: opened } = await up([server], { folder });
    expect(opened.parts()[0]?.detail).toContain('withdrawn');
  });
});
