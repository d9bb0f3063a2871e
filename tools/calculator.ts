/**
 * The calculator: one expression in, one number (or list, unit, truth value) out. It keeps nothing between calls and
 * reads no files, no clock and no random numbers: it is pure, so a judge may run it too.
 */
import { z } from 'zod';

import { badRequest, quoted } from '../src/core/errors.js';
import type { Tool } from '../src/core/tool.js';
import { normalise } from './calculator/notation.js';
import { createPool } from './calculator/pool.js';

/** Characters. */
const MAX_EXPRESSION = 500;

const Arguments = z.strictObject({ expression: z.string() });

export interface CalculatorOptions {
  /** Children at most; each takes about 60 MB while it lives. */
  readonly children?: number | undefined;
  /** Milliseconds one expression may take. */
  readonly timeoutMs?: number | undefined;
}

export const createCalculator = (): Tool => calculatorWith({});

/** Throws, in a sentence, on anything that has no value within the limits. */
export function calculatorWith(options: CalculatorOptions): Tool {
  const pool = createPool(options.children ?? 2);
  const timeoutMs = options.timeoutMs ?? 2_000;
  return {
    spec: {
      name: 'calculator',
      description: 'Evaluates an arithmetic expression such as "(12.5 + 3) * 4" and returns the result.',
      parameters: {
        type: 'object',
        properties: { expression: { type: 'string', description: 'The expression to evaluate.' } },
        required: ['expression'],
        additionalProperties: false,
      },
    },
    pure: true,
    run: async (args, signal) => {
      const parsed = Arguments.safeParse(args);
      if (!parsed.success) {
        throw badRequest(`calculator takes {"expression": "2 + 3"}, not ${quoted(args)}`, 'expression');
      }
      const expression = normalise(parsed.data.expression);
      if (expression === '') throw badRequest('the expression is empty: write one such as "2 + 3"', 'expression');
      if (expression.length > MAX_EXPRESSION) {
        throw badRequest(
          `the expression has ${expression.length} characters, at most ${MAX_EXPRESSION} ` +
            'are taken: calculate it in parts',
          'expression',
        );
      }
      return pool.evaluate(expression, timeoutMs, signal);
    },
    // A child takes a third of a second to load.
    warm: () => pool.warm(),
    close: () => pool.close(),
  };
}
