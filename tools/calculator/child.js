// @ts-check
/**
 * The process that evaluates expressions: one JSON line in (`{"expression", "timeoutMs"}`), one JSON line
 * out (`{"text"}` or `{"error"}`). It is JavaScript because it must run as it lies, from the source tree and
 * from `dist`, on Node 20, which strips no types. Nothing here is trusted to end: the parent kills it on
 * time and the heap limit kills it on size; the inner deadline only serves the case that the parent died.
 */
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import vm from 'node:vm';

// mathjs bundled in one file loads in a tenth of the time and half the memory of its thousand modules.
/** @type {typeof import('mathjs')} */
const { all, create } = createRequire(import.meta.url)('mathjs/lib/browser/math.js');

/** Out of reach of an expression: whatever parses, imports, configures, or gives another answer each time. */
const DISABLED = [
  'import',
  'config',
  'createUnit',
  'evaluate',
  'parse',
  'parser',
  'compile',
  'chain',
  'typed',
  'help',
  'simplify',
  'simplifyCore',
  'simplifyConstant',
  'derivative',
  'rationalize',
  'resolve',
  'reviver',
  'replacer',
  'symbolicEqual',
  'leafCount',
  'print',
  'random',
  'randomInt',
  'pickRandom',
  'distribution',
];

/** Characters; what is longer is not an answer but a table. */
const MAX_RESULT = 2_000;

const math = create(/** @type {import('mathjs').FactoryFunctionMap} */ (all), {});
// What expressions see is this object and nothing else. Overriding the same names on `math` itself would break
// the functions that are built from them when first used.
const visible = /** @type {{ expression: { mathWithTransform: Record<string, unknown> } }} */ (
  /** @type {unknown} */ (math)
).expression.mathWithTransform;
for (const name of DISABLED) {
  const value = () => {
    throw new Error(`the function ${name} is not available`);
  };
  Object.defineProperty(visible, name, { value, enumerable: true });
}

/**
 * A number as a person writes it: no exponent for magnitudes from 1e-15 to below 1e15, no float noise. What is
 * short in 15 digits is what was meant and stays exact (12345678901.25); the rest is cut to 12 digits.
 * @param {unknown} value @returns {string}
 */
function readable(value) {
  if (typeof value !== 'number') return String(value);
  if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (size >= 1e15 || size < 1e-15) return tidy(value.toExponential(11));
  const whole = Math.max(0, Math.floor(Math.log10(size)) + 1);
  const exact = tidy(value.toExponential(14));
  const digits = exact.replace(/e.*|[^0-9]/g, '').length <= 13 ? 15 : Math.min(15, Math.max(12, whole + 3));
  // toFixed writes positions, so the count of decimals comes from the magnitude; it stops at 100, which 1e-15 never
  // reaches.
  const fixed = value.toFixed(Math.max(0, digits - (Math.floor(Math.log10(size)) + 1)));
  return fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
}

/** Drops trailing zeros of the mantissa. @param {string} exponential @returns {string} */
function tidy(exponential) {
  return exponential.replace(/\.?0+e/, 'e');
}

/** @param {string} expression @returns {string} */
function answer(expression) {
  const result = math.evaluate(expression, new Map());
  // Several expressions give a set of results: the last one is the answer.
  const value = result?.isResultSet === true ? result.entries.at(-1) : result;
  if (value === undefined || value === null) throw new Error('it gives no value');
  if (typeof value === 'function') throw new Error('it gives a function, not a value');
  if (typeof value === 'number' && Number.isNaN(value)) throw new Error('the result is not a number');
  if (value === Infinity || value === -Infinity)
    throw new Error('the result is infinite: a division by zero, or too large a number');
  const text = typeof value === 'string' ? value : math.format(value, readable);
  if (text.length > MAX_RESULT)
    throw new Error(`the result has ${text.length} characters, at most ${MAX_RESULT} are given back`);
  return text;
}

/** @param {string} expression @param {number} timeoutMs @returns {string} */
function answerInTime(expression, timeoutMs) {
  const script = new vm.Script('answer()');
  return script.runInNewContext({ answer: () => answer(expression) }, { timeout: timeoutMs });
}

// The first evaluations compile half of mathjs: done here, the first call does not wait for it.
for (const warming of ['0.1 + 2 * 3 - 4 / 5', 'sqrt(16) + 2^3', 'max(1, 2) + round(2.5)']) answer(warming);

process.stdout.write('{"ready":true}\n');
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { expression, timeoutMs } = JSON.parse(line);
  let reply;
  try {
    reply = { text: answerInTime(expression, timeoutMs) };
  } catch (thrown) {
    // An error from inside the deadline's context is no instance of this one's Error.
    const { code, message } = /** @type {{ code?: unknown, message?: unknown }} */ (Object(thrown));
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') process.exit(1);
    reply = { error: typeof message === 'string' ? message : String(thrown) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
lines.on('close', () => process.exit(0));
