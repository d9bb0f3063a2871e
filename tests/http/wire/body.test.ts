/** A body as JSON: large texts in it are read a piece a turn, and are what they are all the same. */
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

it('large names, marks of numbers and words like those within are no texts that were cut out', async () => {
  const long = 'y'.repeat(2 * MIB);
  const json = `{"${long}" : 1,"n":[${'1234567,'.repeat(200_000)}1],"__proto__":"${long}","t":"text 1 ","u":"${long}"}`;
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
