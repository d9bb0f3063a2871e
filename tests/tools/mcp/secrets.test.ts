/** What a server says is passed on without what it must not repeat. */
import { expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { scrubber } from '../../../tools/mcp/secrets.js';

const scrubbed = (entry: Record<string, unknown>, text: string): string => {
  const [server] = parseConfig({ mcp: [{ name: 's', ...entry }] }).mcp;
  if (server === undefined) throw new Error('no server');
  return scrubber(server)(text);
};

test.each([
  ['a whole header', { url: 'http://a', headers: { 'x-key': 'abcdefgh123' } }, 'key abcdefgh123!', 'key [redacted]!'],
  [
    'a token without its scheme',
    { url: 'http://a', headers: { authorization: 'Bearer tok-12345678' } },
    'Bearer tok-12345678 or tok-12345678',
    '[redacted] or [redacted]',
  ],
  [
    'a variable that is named like a secret',
    { command: 'x', env: { API_TOKEN: 'tok-12345678' } },
    'tok-12345678',
    '[redacted]',
  ],
  [
    'the value of a query',
    { url: 'http://a/mcp?key=tok-12345678' },
    'GET /mcp?key=tok-12345678',
    'GET /mcp?key=[redacted]',
  ],
  [
    'a long part of a path',
    { url: 'http://a/s/0123456789abcdef0123/mcp' },
    'Cannot POST /s/0123456789abcdef0123/mcp',
    'Cannot POST /s/[redacted]/mcp',
  ],
])('%s is taken out', (_what, entry, text, expected) => {
  expect(scrubbed(entry, text)).toBe(expected);
});

test('ordinary values are no secrets', () => {
  expect(scrubbed({ command: 'x', env: { MODE: 'production', API_KEY: 'on' } }, 'in production, on')).toBe(
    'in production, on',
  );
  expect(scrubbed({ url: 'http://a/mcp' }, 'http://a/mcp')).toBe('http://a/mcp');
});
