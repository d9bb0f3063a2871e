/** Function names of tools from outside. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { functionName, prefixOf } from '../../../tools/mcp/names.js';

const label = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
const anything = fc.oneof(
  fc.string({ maxLength: 120 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.stringMatching(/^[a-z_]{1,12}$/),
);

test('a name that may stay as it is stays', () => {
  expect(functionName('files', 'read_file', ['files__'])).toBe('files__read_file');
});

test("every name keeps to OpenAI's rule and tells its server", () => {
  fc.assert(
    fc.property(label, anything, (server, tool) => {
      const name = functionName(server, tool, [prefixOf(server)]);
      expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(name.startsWith(`${server}__`)).toBe(true);
      expect(functionName(server, tool, [prefixOf(server)])).toBe(name);
    }),
  );
});

test('two tools have two names, whatever their servers are called', () => {
  fc.assert(
    fc.property(label, anything, label, anything, (a, x, b, y) => {
      fc.pre(a !== b || x !== y);
      const prefixes = [prefixOf(a), prefixOf(b)];
      expect(functionName(a, x, prefixes)).not.toBe(functionName(b, y, prefixes));
    }),
    { numRuns: 1_000 },
  );
  for (const [a, x, b, y] of [
    ['a', 'b__c', 'a__b', 'c'],
    ['a', '_b', 'a_', 'b'],
    ['a', '__b', 'a__', 'b'],
  ] as const) {
    expect(functionName(a, x, [prefixOf(a), prefixOf(b)])).not.toBe(functionName(b, y, [prefixOf(a), prefixOf(b)]));
  }
});
