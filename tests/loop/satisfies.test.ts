/** Whether a draft keeps to a client's schema: never yes where it does not, or where that cannot be told. */
import { expect, it } from 'vitest';

import { satisfies } from '../../src/loop/satisfies.js';

const PERSON = {
  type: 'object',
  title: 'Person',
  properties: {
    name: { type: 'string', minLength: 1 },
    age: { type: ['integer', 'null'], minimum: 0 },
    pets: { type: 'array', items: { $ref: '#/$defs/pet' }, maxItems: 2 },
  },
  required: ['name'],
  additionalProperties: false,
  $defs: { pet: { anyOf: [{ const: 'cat' }, { enum: ['dog', 'fish'] }] } },
};

it.each<[unknown, unknown, boolean]>([
  [{ name: 'Ada', age: 36, pets: ['cat', 'dog'] }, PERSON, true],
  [{ name: 'Ada', age: null }, PERSON, true],
  [{ name: 'Ada' }, PERSON, true],
  [{ age: 3 }, PERSON, false],
  [{ name: '' }, PERSON, false],
  [{ name: 'Ada', age: 1.5 }, PERSON, false],
  [{ name: 'Ada', age: -1 }, PERSON, false],
  [{ name: 'Ada', pets: ['cow'] }, PERSON, false],
  [{ name: 'Ada', pets: ['cat', 'cat', 'cat'] }, PERSON, false],
  [{ name: 'Ada', more: 1 }, PERSON, false],
  ['Ada', PERSON, false],
  [['Ada'], PERSON, false],
  [null, PERSON, false],
  [3, { type: 'number', exclusiveMinimum: 3 }, false],
  [3, { type: 'number', maximum: 3 }, true],
  [3, { oneOf: [{ type: 'number' }, { type: 'integer' }] }, false],
  [3, { allOf: [{ type: 'number' }, { minimum: 3 }] }, true],
  // What is not known here, and what may match for ever, is answered with no.
  ['aaa', { type: 'string', pattern: '^(a+)+$' }, false],
  ['2026-11-30', { type: 'string', format: 'date' }, false],
  [{}, { $ref: '#/$defs/missing' }, false],
  [{}, { $ref: 'https://example.com/schema.json' }, false],
  [{}, { $ref: '#' }, false],
  [{}, undefined, false],
  [{}, false, false],
  [{}, {}, true],
  [{ ['__proto__x']: 1 }, { type: 'object', required: ['toString'] }, false],
])('%j against %j: %s', (value, schema, kept) => {
  expect(satisfies(value, schema)).toBe(kept);
});
