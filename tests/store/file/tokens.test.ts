import fc from 'fast-check';
import { expect, test } from 'vitest';

import { sharedWith } from '../../../src/store/log/prompt.js';
import { packF32, packStep, packU32, unpackF32, unpackStep, unpackU32 } from '../../../src/store/file/tokens.js';

test('ids and log-probabilities come back as they were, whatever the alignment of the bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 0xffff_ffff })), fc.array(fc.float({ noNaN: true })), (ids, values) => {
      expect(unpackU32(Buffer.concat([Buffer.from([1]), packU32(ids)]).subarray(1))).toEqual(ids);
      expect(unpackF32(Buffer.concat([Buffer.from([1]), packF32(values)]).subarray(1))).toEqual(values);
    }),
  );
});

test('the bytes are little endian', () => {
  expect([...packU32([1, 258])]).toEqual([1, 0, 0, 0, 2, 1, 0, 0]);
  expect([...packF32([1])]).toEqual([0, 0, 128, 63]);
});

test('what is no token id is refused, not rounded', () => {
  for (const bad of [1.5, -1, 2 ** 32, Number.NaN])
    expect(() => packU32([7, bad])).toThrow(`token id ${bad} at position 1`);
});

test('the ids shared with a step go through its prompt into its action', () => {
  const context = { stepId: 's', prompt: [1, 2, 3], action: [4, 5] };
  const shared = [[], [1], [1, 9], [1, 2, 3], [1, 2, 3, 9], [1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]].map(
    (prompt) => sharedWith(context, prompt),
  );
  expect(shared).toEqual([0, 1, 1, 3, 3, 4, 5, 5]);
});

test('only what is new of a prompt is packed', () => {
  expect(unpackU32(packU32([1, 2, 3, 4], 3))).toEqual([4]);
  expect(packU32([1, 2], 2)).toHaveLength(0);
});

test('the three lists of a step come back from one piece of bytes, whatever its alignment', () => {
  const ids = fc.array(fc.nat({ max: 0xffff_ffff }));
  fc.assert(
    fc.property(
      ids,
      ids,
      fc.array(fc.float({ noNaN: true })),
      fc.nat({ max: 3 }),
      (prompt, action, logprobs, shift) => {
        const bytes = Buffer.concat([Buffer.alloc(shift), packStep(prompt, action, logprobs)]).subarray(shift);
        const lists = unpackStep(bytes, prompt.length, action.length);
        expect([[...lists.prompt], [...lists.ids], [...lists.logprobs]]).toEqual([prompt, action, logprobs]);
        expect([
          unpackU32(packU32(lists.prompt)),
          unpackU32(packU32(lists.prompt, lists.prompt.length)),
          unpackF32(packF32(lists.logprobs)),
        ]).toEqual([prompt, [], logprobs]);
      },
    ),
  );
});

test('a step with what is no token id is refused', () => {
  expect(() => packStep([1], [2, 2 ** 32], [])).toThrow('token id 4294967296 at position 1');
});
