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
// Its `create` has all functions and takes the configuration only.
/** @type {{ create: (config: import('mathjs').ConfigOptions) => import('mathjs').MathJsInstance }} */
const { create } = createRequire(import.meta.url)('mathjs/lib/browser/math.js');

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

/** Digits of exact arithmetic, and of its longest result: mathjs knows its constants to little more. */
const DIGITS = 1_000;
/** Milliseconds an exact evaluation may take: beyond it the approximate result stands. */
const EXACT_MS = 700;

/**
 * What expressions see is this object and nothing else. Overriding the same names on the instance itself would break
 * the functions that are built from them when first used.
 * @param {import('mathjs').ConfigOptions} config
 */
function confined(config) {
  const instance = create(config);
  const visible = /** @type {{ expression: { mathWithTransform: Record<string, unknown> } }} */ (
    /** @type {unknown} */ (instance)
  ).expression.mathWithTransform;
  for (const name of DISABLED) {
    const value = () => {
      throw new Error(`the function ${name} is not available`);
    };
    Object.defineProperty(visible, name, { value, enumerable: true });
  }
  return instance;
}

const math = confined({});
/** Made when it is first needed. @type {import('mathjs').MathJsInstance | undefined} */
let exactMath;

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

/** Functions that give integers for integers, or are exact as far as they do. */
const EXACT_NAMES = new Set(
  (
    'mod gcd lcm xgcd invmod factorial combinations permutations pow square cube sqrt abs sign floor ceil round fix ' +
    'add subtract multiply divide unaryMinus max min sum prod larger smaller equal unequal largerEq smallerEq ' +
    'compare and or not xor true false bitAnd bitOr bitXor leftShift rightArithShift'
  ).split(' '),
);
const LONG_INTEGER = /\d{16}/;
/** Not the digits behind a point, which are a measure: 0.3333333333333333 * 3 is 1. */
const LONG_WHOLE = /(?<![\d.])\d{16}/;
/** 0x1F, 0b11 and 0o17 are numbers, not names. */
const BASED = /\b0[xob][\da-f]+\b/gi;

/** Whether exact integers may give another result than numbers of 53 bits. @param {string} text @param {any} value */
function wantsExact(text, value) {
  // 6.02e23 is a measure, not an integer.
  if (/\d[eE][+-]?\d/.test(text)) return false;
  const assigned = new Set(Array.from(text.matchAll(/\b([A-Za-z_]\w*)\s*=(?!=)/g), ([, name]) => name));
  const names = text.replace(BASED, '0').match(/[A-Za-z_]\w*/g) ?? [];
  if (names.some((name) => !EXACT_NAMES.has(name) && !assigned.has(name))) return false;
  if (LONG_INTEGER.test(text)) return true;
  const numbers = value?.isMatrix === true ? value.toArray().flat(Infinity) : [value];
  if (
    numbers.some(
      (/** @type {unknown} */ each) => typeof each === 'number' && !(Math.abs(each) <= Number.MAX_SAFE_INTEGER),
    )
  )
    return true;
  // What is long may lie in between: 3^50 mod 7.
  return typeof value === 'number' && !/\.\d/.test(text) && /[!^*]|%|\b[a-z]{3,}/i.test(text);
}

/**
 * The result by exact integers; undefined where it is no integer and none of them is long, or cannot be had in time.
 * @param {string} expression @param {any} approximate @returns {string | undefined}
 */
function exactly(expression, approximate) {
  exactMath ??= confined({ number: 'BigNumber', precision: DIGITS, relTol: 1e-300, absTol: 1e-300 });
  const { evaluate, format } = exactMath;
  let value;
  try {
    const script = new vm.Script('evaluate()');
    value = last(script.runInNewContext({ evaluate: () => evaluate(expression, new Map()) }, { timeout: EXACT_MS }));
  } catch {
    return undefined; // what the approximate evaluation could do stands
  }
  if (typeof value === 'boolean') return String(value);
  if (value?.isMatrix === true && approximate?.isMatrix === true) return format(value, exactlyReadable);
  if (value?.isBigNumber !== true || !value.isFinite()) return undefined;
  if (!value.isInteger()) return LONG_WHOLE.test(expression) ? readable(value.toNumber()) : undefined;
  if (value.e < DIGITS) return exactlyReadable(value);
  if (Number.isFinite(approximate)) return undefined;
  throw new Error(`the result has ${value.e + 1} digits, at most ${DIGITS} are given back`);
}

/** @param {any} value @returns {string} */
function exactlyReadable(value) {
  if (value?.isBigNumber !== true) return readable(value);
  if (!value.isInteger() || value.e >= DIGITS) return readable(value.toNumber());
  return value.isZero() ? '0' : value.toFixed();
}

/** Several expressions give a set of results: the last one is the answer. @param {any} result @returns {any} */
function last(result) {
  return result?.isResultSet === true ? result.entries.at(-1) : result;
}

/** @param {string} expression @returns {string} */
function answer(expression) {
  const value = last(math.evaluate(expression, new Map()));
  if (value === undefined || value === null) throw new Error('it gives no value');
  if (typeof value === 'function') throw new Error('it gives a function, not a value');
  const exact = wantsExact(expression, value) ? exactly(expression, value) : undefined;
  if (exact === undefined && typeof value === 'number' && Number.isNaN(value))
    throw new Error('the result is not a number');
  if (exact === undefined && (value === Infinity || value === -Infinity))
    throw new Error('the result is infinite: a division by zero, or too large a number');
  const text = exact ?? (typeof value === 'string' ? value : math.format(value, readable));
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
