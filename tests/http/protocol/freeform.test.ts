/** The text of a custom tool's call, out of arguments that come in any pieces. */
import { expect, it } from 'vitest';

import { FreeformInput } from '../../../src/http/protocol/freeform.js';

it.each(['', 'plain', 'a "b"\n\\c/\td', 'é😀\u2028', '{"input": "inner"}'])(
  '%j is told whole in any two pieces',
  (text) => {
    for (const json of [
      JSON.stringify({ input: text }),
      ` { "input" : ${JSON.stringify(text).replaceAll('é', '\\u00e9')} }`,
    ])
      for (let cut = 0; cut <= json.length; cut += 1) {
        const input = new FreeformInput();
        const told = input.add(json.slice(0, cut)) + input.add(json.slice(cut));
        expect([told, input.whole(told)]).toEqual([text, text]);
      }
  },
);

it.each([
  ['{"input":"half', 'half'],
  ['{"other":"x"}', '{"other":"x"}'],
  ['"a text"', 'a text'],
  ['no json', 'no json'],
])('%j is the text %j', (json, text) => {
  const input = new FreeformInput();
  expect(input.whole(input.add(json))).toBe(text);
});
