/** Every family there is. */
import { operatorError } from '../../core/errors.js';
import { nearest } from '../../core/text/nearest.js';
import type { Family } from '../family.js';
import { calculatorFamilies } from './calculator.js';
import { lookupFamilies } from './lookups.js';

export const FAMILIES: readonly Family[] = [...calculatorFamilies, ...lookupFamilies];

export function familyOf(name: string): Family {
  const family = FAMILIES.find((each) => each.name === name);
  if (family !== undefined) return family;
  const names = FAMILIES.map((each) => each.name);
  throw operatorError(
    `there is no family "${name}". Did you mean "${nearest(name, names)}"? There are: ` +
      FAMILIES.map((each) => `${each.name} (${each.about})`).join(', '),
  );
}
