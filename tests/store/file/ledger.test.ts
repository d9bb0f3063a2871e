import { expect, test } from 'vitest';

import { sha256 } from '../../../src/core/text/hash.js';
import { contentHash } from '../../../src/store/file/ledger.js';

test("a row's hash is that of its table and its columns by name, absent ones left out, bytes after the text", () => {
  const shape = {
    name: 'things',
    columns: ['word', 'count', 'content_hash', 'bytes', 'absent', 'big', 'share', 'other'],
  };
  const values = [
    '"q" \u{1F600}\n',
    3,
    'not hashed',
    Buffer.from([1, 2]),
    null,
    9_007_199_254_740_993n,
    -0.5,
    Buffer.from([3]),
  ];
  const text = JSON.stringify([
    'things',
    'big',
    '9007199254740993',
    'bytes',
    { bytes: 2 },
    'count',
    3,
    'other',
    { bytes: 1 },
    'share',
    -0.5,
    'word',
    '"q" \u{1F600}\n',
  ]);
  expect(contentHash(shape, values)).toBe(
    sha256(Buffer.concat([Buffer.from(text), Buffer.from([1, 2]), Buffer.from([3])])),
  );
});

test('numbers are spelled as JSON spells them', () => {
  for (const number of [0, -0, 1e21, 1e-7, 123456789.25, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(contentHash({ name: 't', columns: ['n'] }, [number])).toBe(sha256(JSON.stringify(['t', 'n', number])));
  }
});
