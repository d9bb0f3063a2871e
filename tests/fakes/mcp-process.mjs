#!/usr/bin/env node
// A real MCP server over stdio, made with the official SDK. Ends when its standard input does, as such a server should.
// argv: [FILE: a journal where its pid is written] [mode: "mute" says nothing, "crash" ends at once with a last line]
import { appendFileSync } from 'node:fs';

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const [journal, mode] = process.argv.slice(2);
if (journal !== undefined) appendFileSync(journal, `${process.pid}\n`);
if (mode === 'crash') {
  console.error('starting');
  console.error(`cannot open the database with ${process.env.DB_PASSWORD ?? 'nothing'}`);
  process.exit(3);
}
if (mode === 'mute') {
  process.stdin.resume();
  await new Promise(() => undefined);
}
const server = new McpServer({ name: 'child', version: '1' });
const says = (text) => ({ content: [{ type: 'text', text }] });
server.registerTool('echo', { description: 'Says it back.', inputSchema: { text: z.string() } }, ({ text }) =>
  says(`child: ${text}`),
);
server.registerTool('environment', { description: 'The names of its environment.' }, () =>
  says(Object.keys(process.env).sort().join(' ')),
);
server.registerTool('pid', {}, () => says(String(process.pid)));
server.registerTool('die', {}, () => process.exit(1));
server.registerTool('flood', {}, () => says('x'.repeat(12 * 1024 * 1024)));
server.registerTool('wait', {}, async ({ signal }) => {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  if (journal !== undefined) appendFileSync(journal, 'cancelled\n');
  return says('late');
});
await server.connect(new StdioServerTransport());
