import { afterAll, describe, expect, it } from 'vitest';

import { calculatorWith } from '../../tools/calculator.js';

const never = AbortSignal.any([]);
const calculator = calculatorWith({ timeoutMs: 1_500 });
calculator.warm?.();
const calculate = (expression: string): Promise<string> => calculator.run({ expression }, AbortSignal.any([]));

afterAll(() => calculator.close?.());

describe('the calculator prints numbers as a person writes them', () => {
  it.each([
    ['0.1 + 0.2', '0.3'],
    ['1/3', '0.333333333333'],
    ['2/3', '0.666666666667'],
    ['144813', '144813'],
    ['123456789 * 1000', '123456789000'],
    ['12345678901.25', '12345678901.25'],
    ['999999999999999 + 1', '1000000000000000'],
    ['2^60', '1152921504606846976'],
    ['factorial(20)', '2432902008176640000'],
    ['2^100', '1267650600228229401496703205376'],
    ['12345678901234567890 mod 97', '3'],
    ['12345678901234567890 - 12345678901234567889.5', '0.5'],
    ['(9007199254740993 - 9007199254740992) / 4', '0.25'],
    ['0.3333333333333333 * 3', '1'],
    ['0x1FFFFFFFFFFFFFFFF + 1', '36893488147419103232'],
    ['3^50 mod 7', '2'],
    ['100! / 98!', '9900'],
    ['99999999999999999999 * 99999999999999999999', '9999999999999999999800000000000000000001'],
    ['gcd(12345678901234567890, 9876543210)', '90'],
    ['12345678901234567890 == 12345678901234567891', 'false'],
    ['floor(10^20 / 3)', '33333333333333333333'],
    ['1.5 * 12345678901234567890', '18518518351851851835'],
    ['[2^70, 0.5]', '[1180591620717411303424, 0.5]'],
    ['a = 2^70; a mod 97', '24'],
    ['6.02e23 * 2', '1.204e+24'],
    ['12345678901234567890 / 1000', '1.23456789012e+16'],
    ['1e14 / 3', '33333333333333.3'],
    ['1e15 / 7', '142857142857143'],
    ['0.0000001', '0.0000001'],
    ['1e-15', '0.000000000000001'],
    ['1.5e-20', '1.5e-20'],
    ['-0', '0'],
    ['-2.50', '-2.5'],
    ['1.1 * 3', '3.3'],
    ['0.07 * 100', '7'],
    ['19.99 * 3', '59.97'],
    ['4.35 * 100', '435'],
    ['1 - 0.9', '0.1'],
    ['sqrt(2)', '1.41421356237'],
    ['123456789012.25', '123456789012.25'],
    ['1234567.891234', '1234567.891234'],
    ['100', '100'],
    ['1200 * 10', '12000'],
    ['3 > 2', 'true'],
    ['[1, 2; 3, 4] * 2', '[[2, 4], [6, 8]]'],
    ['5 m to cm', '500 cm'],
    ['sqrt(-4)', '2i'],
    ['1 + 1; 2 + 2', '[4]'],
    ['a = 3; a * 2', '[6]'],
    ['1 + 1\n2 + 2', '4'],
  ])('%s is %s', async (expression, printed) => {
    expect(await calculate(expression)).toBe(printed.replace(/^\[(\d)\]$/, '$1'));
  });
});

describe('the calculator reads what small models write', () => {
  it.each([
    [' 6 × 7 ', '42'],
    ['84 ÷ 2', '42'],
    ['50 − 8', '42'],
    ['50 – 8', '42'],
    ['6 · 7', '42'],
    ['2**5 + 10', '42'],
    ['40 + 2 =', '42'],
    ['40 + 2 = ?', '42'],
    ['= 40 + 2', '42'],
    ['6 x 7', '42'],
    ['6x7', '42'],
    ['20x7', '140'],
    ['(2 + 4) x 7', '42'],
    ['0x2A', '42'],
    ['$50 - $8', '42'],
    ['1,234 + 1', '1235'],
    ['1,234,567.5 * 2', '2469135'],
    ['(1,000 + 200) / 2', '600'],
    ['2 * (1,000)', '2000'],
    ['max(1,234)', '234'],
    ['sum([1,200])', '201'],
    ['round(1,234.567 , 1)', 'error'],
    ['15%', '0.15'],
    ['3² + 4²', '25'],
    ['7 mod 3', '1'],
  ])('%s is %s', async (expression, printed) => {
    if (printed === 'error') await expect(calculate(expression)).rejects.toThrow(/cannot calculate/);
    else expect(await calculate(expression)).toBe(printed);
  });
});

describe('the calculator refuses in one sentence', () => {
  it.each([
    ['2 +', /cannot calculate "2 \+": Unexpected end of expression/],
    ['1/0', /the result is infinite/],
    ['0/0', /not a number/],
    ['two plus two', /cannot calculate "two plus two"/],
    ['12,34 + 1', /cannot calculate/],
    ['f(x) = x', /a function, not a value/],
    ['', /the expression is empty/],
    ['=', /the expression is empty/],
    [`1${'+1'.repeat(300)}`, /601 characters, at most 500/],
    ['zeros(60, 60)', /at most 2000/],
  ])('%s', async (expression, reason) => {
    await expect(calculate(expression)).rejects.toThrow(reason);
  });

  it.each([[{}], [{ expression: 5 }], [{ expression: '1', extra: true }], ['1+1'], [null], [undefined]])(
    'arguments %j',
    async (args) => {
      await expect(calculator.run(args, never)).rejects.toThrow(/calculator takes \{"expression": "2 \+ 3"\}/);
    },
  );
});

describe('nothing an expression says reaches beyond the expression', () => {
  it.each([
    'import({a: 1}, {})',
    'evaluate("1+1")',
    'parse("1+1")',
    'parser()',
    'compile("1")',
    'createUnit("foo")',
    'simplify("x+x")',
    'derivative("x^2", "x")',
    'resolve("x", {x: 1})',
    'reviver("a", 1)',
    'config({number: "BigNumber"})',
    'chain(3)',
    'typed("f", {})',
    'help(sin)',
    'rationalize("x")',
    'random()',
    'randomInt(1, 10)',
    'pickRandom([1, 2])',
    'symbolicEqual("x", "x")',
    'print("$a", {a: 1})',
  ])('%s is not available', async (expression) => {
    await expect(calculate(expression)).rejects.toThrow(/not available/);
  });

  it.each([
    'cos.constructor("return process")()',
    'constructor',
    '__proto__',
    '"a".constructor',
    '{}.constructor',
    '{a: 1}["constructor"]',
    '{}.__proto__.x = 1',
    'f(x) = x; f.constructor("return 1")()',
    '[1].map.constructor',
    'f = cos; f.apply(1, 2)',
    'toString.call',
    'valueOf()',
    'hasOwnProperty("a")',
    'process.exit(0)',
    'map([1], constructor)',
    'format(1, {constructor: 1}).constructor',
    'sqrt.transform',
    'sin.signatures["number"].constructor("return 1")()',
    '{"__proto__": {a: 1}}.a',
    'unit("5 m").constructor',
    'matrix([1])._data.constructor',
    'bignumber(1).constructor.config({})',
  ])('%s gives no access', async (expression) => {
    const answer = await calculate(expression).catch((error: unknown) => String(error));
    expect(answer).not.toMatch(/native code|\[object process\]|\[Function/);
    expect(answer).toMatch(/cannot calculate/);
  });

  it('a variable or a function of one call is unknown in the next', async () => {
    expect(await calculate('secret = 41; secret + 1')).toBe('42');
    await expect(calculate('secret')).rejects.toThrow(/Undefined symbol secret/);
    await expect(calculate('sqrt = 5; sqrt(4)')).rejects.toThrow();
    expect(await calculate('sqrt(4)')).toBe('2');
    expect(await calculate('pi = 3')).toBe('3');
    expect(await calculate('round(pi, 2)')).toBe('3.14');
  });
});

describe('what does not end is ended, and the next call is answered', () => {
  it.each([
    ['sum(1:1000000000)'],
    ['zeros(100000, 100000)'],
    ['f(x) = f(x + 1) + f(x + 2); f(1)'],
    ['map(1:10000000, f(x) = factorial(170))'],
    ['bigint(9)^bigint(999999999)'],
    ['combinations(bignumber(1e9), bignumber(5e8))'],
    ['range(1, 1e12)'],
    ['g(n) = n < 2 ? n : g(n - 1) + g(n - 2); g(60)'],
  ])('%s', async (expression) => {
    await expect(calculate(expression)).rejects.toThrow(/^cannot calculate/);
    expect(await calculate('40 + 2')).toBe('42');
  });

  it('calls that wait behind an endless one are answered after it', async () => {
    const mine = calculatorWith({ children: 1, timeoutMs: 700 });
    try {
      const endless = mine.run({ expression: 'f(x) = f(x); g(n) = n < 2 ? n : g(n - 1) + g(n - 2); g(70)' }, never);
      const waiting = [1, 2, 3, 4].map((n) => mine.run({ expression: `${n} * 2` }, never));
      await expect(endless).rejects.toThrow(/takes longer than 0.7 s/);
      expect(await Promise.all(waiting)).toEqual(['2', '4', '6', '8']);
    } finally {
      await mine.close?.();
    }
  });

  it('an abort ends the running call and leaves the waiting ones', async () => {
    const mine = calculatorWith({ children: 1, timeoutMs: 20_000 });
    const abort = new AbortController();
    try {
      await mine.run({ expression: '1' }, never);
      const running = mine.run({ expression: 'g(n) = n < 2 ? n : g(n - 1) + g(n - 2); g(70)' }, abort.signal);
      const waiting = mine.run({ expression: '6 * 7' }, never);
      abort.abort();
      await expect(running).rejects.toThrow(/cancelled/);
      expect(await waiting).toBe('42');
      await expect(mine.run({ expression: '1' }, abort.signal)).rejects.toThrow(/cancelled/);
    } finally {
      await mine.close?.();
    }
  });

  it('a hundred calls at once are each answered with their own result', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => calculate(`${n} * ${n}`)));
    expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => String(n * n)));
  });

  it('a closed calculator refuses and leaves no process', async () => {
    const mine = calculatorWith({ children: 1 });
    expect(await mine.run({ expression: '1' }, never)).toBe('1');
    await mine.close?.();
    await expect(mine.run({ expression: '1' }, never)).rejects.toThrow(/closed/);
  });
});
