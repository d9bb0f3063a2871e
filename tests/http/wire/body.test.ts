/** A body as JSON: a large one is read a piece a turn, and is what it is all the same. */
import { expect, it } from 'vitest';

import { parseJson } from '../../../src/core/text/json.js';
import { jsonInTurns } from '../../../src/http/wire/body.js';

const MIB = 1024 * 1024;

it.each([
  ['words', 'all work and no play '],
  ['letters of several bytes', 'aé€😀'],
  ['escapes', String.raw`\"\\\n`],
  ['rows of backslashes', String.raw`\\\\\\\"`],
  ['letters by their numbers', String.raw`\u00e9x\ud83d\ude00`],
  ['halves of letters', String.raw`\ud83d-`],
])('a text of %s is the same wherever it is cut', async (_, word) => {
  const text = word.repeat(Math.ceil((1.5 * MIB) / Buffer.byteLength(word)));
  for (let shift = 0; shift < 14; shift += 1) {
    const json = `{"a":["${'x'.repeat(shift)}${text}",12345678901234567890],"b":{"c":"d"} }`;
    expect(isSame(await jsonInTurns(Buffer.from(json)), parseJson(json))).toBe(true);
  }
});

it('large names, long numbers and fields that stand twice are what they are', async () => {
  const long = 'y'.repeat(2 * MIB);
  const twice = `"n":[${'1234567,'.repeat(200_000)}1],"__proto__":"${long}","u":"${long}","n":[9007199254740993]`;
  const json = `{"${long}" : 1,${twice}}`;
  expect(isSame(await jsonInTurns(Buffer.from(json)), parseJson(json))).toBe(true);
});

it('what is wrong is said of the body as it came', async () => {
  const long = 'z'.repeat(2 * MIB);
  for (const json of [`{"a":"${long}",}`, `{"a":"${long}\\x"}`, `{"a":"${long}\n"}`, `{"a":"${long}`, `["${long}"`]) {
    const why = reasonOf(() => JSON.parse(json));
    await expect(Promise.resolve().then(() => jsonInTurns(Buffer.from(json)))).rejects.toThrow(
      `The body is not JSON: ${why}.`,
    );
  }
});

it('many small values are read in turns, about one for each 64 KiB', async () => {
  for (const json of [
    `[${'1,'.repeat(2 * MIB)}1]`,
    `{"messages":[${'{"role":"user","content":"hi","n":[1]},'.repeat(50_000)}{}]}`,
    `{${Array.from({ length: 100_000 }, (_, at) => `"name ${at}":${at}`).join(',')}}`,
  ]) {
    let isOver = false;
    const reading = Promise.resolve(jsonInTurns(Buffer.from(json))).finally(() => (isOver = true));
    let turns = 0;
    for (; !isOver; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(isSame(await reading, parseJson(json))).toBe(true);
    expect(turns).toBeGreaterThanOrEqual(Math.floor(json.length / (64 * 1024)));
  }
});

it.each([
  ['is nested deeper than 100 levels', `[${'1,'.repeat(MIB)}${'['.repeat(101)}${']'.repeat(101)}]`],
  ['is nested deeper than 100 levels', `${'['.repeat(101)}${']'.repeat(101)}`],
  ['holds more than 4194304 values', `[${'[],'.repeat(3 * MIB)}1]`],
  [
    'holds an object of more than 300000 fields',
    `{${Array.from({ length: 600_000 }, (_, at) => `"${at}":1`).join(',')}}`,
  ],
  ['holds a number of more than 65536 digits', `{"n":${'7'.repeat(MIB)}}`],
])('a body that %s is a 400', async (what, json) => {
  await expect(Promise.resolve().then(() => jsonInTurns(Buffer.from(json)))).rejects.toMatchObject({
    status: 400,
    code: 'invalid_json',
    message: `The body ${what}.`,
  });
});

it('of what is larger than 4 MiB it is said what is wrong, and not where', async () => {
  for (const [json, why] of [
    [`[${'1,'.repeat(3 * MIB)}]`, /^The body is not JSON: Unexpected token '\]'.*\.$/],
    [`{"a":"${'z'.repeat(5 * MIB)}\n"}`, /^The body is not JSON: Bad control character in string literal\.$/],
    [`["${'z'.repeat(5 * MIB)}"`, /^The body is not JSON: Unexpected end of JSON input\.$/],
  ] as const)
    await expect(Promise.resolve().then(() => jsonInTurns(Buffer.from(json)))).rejects.toThrow(why);
});

/** As text: a difference in 2 MiB is nothing to be shown. */
function isSame(one: unknown, other: unknown): boolean {
  const spelled = (value: unknown): string =>
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
  return spelled(one) === spelled(other);
}

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    return (thrown as Error).message;
  }
  throw new Error('it was right');
}
