import { expect, it } from 'vitest';

import { fieldsPage } from '../../scripts/fields/page.js';
import { FACES } from '../../src/app.js';
import { fieldRows, PROTOCOLS } from '../../src/http/openapi/tables.js';
import { read } from './tree.js';

it('docs/fields.md is what the schemas say; else run node scripts/fields.mjs', () => {
  expect(read('docs/fields.md')).toBe(fieldsPage());
});

it('every protocol that is served has its table there', () => {
  expect(PROTOCOLS.map((protocol) => protocol.path)).toEqual([...Object.keys(FACES), '/v1/messages/count_tokens']);
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
