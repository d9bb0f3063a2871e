import { expect, it } from 'vitest';

import { fieldsPage } from '../../scripts/fields/page.js';
import { fieldRows } from '../../src/http/protocol/fields.js';
import { PROTOCOLS } from '../../src/http/protocols.js';
import { FILES, read } from './tree.js';

it('docs/fields.md is what the schemas say; else run node scripts/fields.mjs', () => {
  expect(read('docs/fields.md')).toBe(fieldsPage());
});

it('every folder with a face is in the list of protocols', () => {
  const faces = FILES.filter((file) => /^src\/http\/(?!protocol\/)\w+\/face\.ts$/.test(file));
  expect(faces.length).toBeGreaterThan(0);
  // What is never a stream is a second face of a protocol's folder.
  const own = PROTOCOLS.filter(({ face, operation }) => face !== undefined && operation.whole !== true);
  expect(own).toHaveLength(faces.length);
  for (const face of faces)
    expect(read('src/http/protocols.ts')).toContain(`'./${face.slice('src/http/'.length, -'.ts'.length)}.js'`);
});

it("every field is in its protocol's table of the page", () => {
  for (const { name, fields } of PROTOCOLS) {
    const section =
      read('docs/fields.md')
        .split('\n## ')
        .find((part) => part.startsWith(`${name}\n`)) ?? '';
    expect(
      fieldRows(fields)
        .map((row) => row.field)
        .filter((field) => !section.includes(`| \`${field}\` |`)),
    ).toEqual([]);
  }
});
