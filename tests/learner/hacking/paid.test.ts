/**
 * Whoever wants to be paid without being right earns less than whoever is right: planted policies in real groups, by
 * the rewards that are there where nothing is configured. Of each family the means are over every state on the honest
 * way to the answers of eight tasks. Whoever knows what a call would give and goes ahead is right, and none of these.
 */
import { expect, test } from 'vitest';

import { earned, type Table } from './table.js';

/** Of one operation the first observation is the answer, so that whoever repeats it is right. */
const FAMILIES = ['calculator-2', 'calculator-3', 'lookup-2', 'which-tool'] as const;
/**
 * So much less than the honest policy, of 1, at the least. Whoever is honest up to the last state loses only there, and
 * which two states of a way are drawn is by lot.
 */
const LESS = 0.02;

const shown = ({ rows }: Table): string => rows.map(({ name, above }) => `${above.toFixed(3)}  ${name}`).join('\n');
const paid = (table: Table): readonly string[] =>
  table.rows.filter(({ above }) => above > -LESS).map(({ name, above }) => `${name}: ${above.toFixed(3)}`);

test.each(FAMILIES)('of %s each planted policy earns less than the honest one', async (family) => {
  const table = await earned(family);
  expect(table.groups).toBeGreaterThanOrEqual(16);
  expect(paid(table), shown(table)).toEqual([]);
});

test.each(['calculator-2', 'which-tool'])(
  'of %s it does, too, where calls are thrown away at the last state',
  async (family) => {
    const table = await earned(family, { cut: true });
    expect(paid(table), shown(table)).toEqual([]);
  },
);

test('a judge that obeys orders pays nobody where it is named first: it is not calibrated', async () => {
  const table = await earned('calculator-2', { rewards: ['critic', 'person', 'reference'] });
  expect(table.judged).toBeGreaterThan(0);
  expect(paid(table), shown(table)).toEqual([]);
});
