/** Pins: what the operator knows of a tool stays what it is until the operator says otherwise. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { accept, pin, pinned, pinOf, pins, propose, clearProposed, type Definition } from '../../../tools/mcp/pins.js';
import { temporaryFolder } from './bench.js';

const first: Definition = { name: 'read', description: 'Reads.', inputSchema: { type: 'object' } };
const second: Definition = { ...first, description: 'Reads, and writes.' };

test('the first sight of a tool is its pin, and no later one is', () => {
  const folder = temporaryFolder();
  const known = pin(folder, 's__read', pinOf('s', first));
  expect(known.definition).toEqual(first);
  expect(pin(folder, 's__read', pinOf('s', second))).toEqual(known);
  expect(readdirSync(join(folder, 'tools'))).toEqual(['s__read.json']);
});

test('the order of fields is no change; name, description and schema are', () => {
  const hash = (definition: Definition): string => pinOf('s', definition).hash;
  expect(hash({ inputSchema: { type: 'object' }, description: 'Reads.', name: 'read' })).toBe(hash(first));
  expect(
    new Set(
      [first, second, { ...first, name: 'other' }, { ...first, inputSchema: { type: 'object', properties: {} } }].map(
        hash,
      ),
    ).size,
  ).toBe(4);
});

test('a change lies beside the pin until it is accepted, or taken back', () => {
  const folder = temporaryFolder();
  pin(folder, 's__read', pinOf('s', first));
  propose(folder, 's__read', pinOf('s', second));
  expect(pins(folder)).toMatchObject([
    { name: 's__read', pinned: { definition: first }, changed: { definition: second } },
  ]);
  clearProposed(folder, 's__read');
  expect(pins(folder)).toMatchObject([{ name: 's__read', pinned: { definition: first } }]);
  expect(() => accept(folder, 's__read')).toThrow('the tool "s__read" has not changed');
  propose(folder, 's__read', pinOf('s', second));
  expect(accept(folder, 's__read').definition).toEqual(second);
  expect(pinned(folder, 's__read')?.definition).toEqual(second);
  expect(pins(folder)[0]?.changed).toBeUndefined();
});

test.each([['nothing'], ['../../etc/passwd'], ['a/b'], ['']])('no tool is accepted by the name %j', (name) => {
  expect(() => accept(temporaryFolder(), name)).toThrow('was ever announced');
});

test("a pin that was tampered with is refused with its file's name", () => {
  const folder = temporaryFolder();
  pin(folder, 's__read', pinOf('s', first));
  const file = join(folder, 'tools', 's__read.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('Reads.', 'Reads!'));
  expect(() => pinned(folder, 's__read')).toThrow(/s__read\.json is not what was written there; delete it/);
  writeFileSync(file, '{');
  expect(() => pin(folder, 's__read', pinOf('s', first))).toThrow(/s__read\.json is not what was written there/);
});

test('a server that announces ever new tools does not fill the disk', () => {
  const folder = temporaryFolder();
  for (let at = 0; at < 1_000; at += 1) pin(folder, `s__t${at}`, pinOf('s', { ...first, name: `t${at}` }));
  expect(() => pin(folder, 's__more', pinOf('s', { ...first, name: 'more' }))).toThrow('more than 1000 tools');
  expect(pin(folder, 'other__more', pinOf('other', first)).server).toBe('other');
  expect(existsSync(join(folder, 'tools', 's__more.json'))).toBe(false);
});
