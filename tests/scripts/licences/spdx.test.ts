import { expect, test } from 'vitest';

import { allowed, isCopyleft, nameOf } from '../../../scripts/licences/spdx.mjs';

test.each([
  ['MIT License', 'MIT'],
  ['The MIT License (MIT)', 'MIT'],
  ['Apache 2.0', 'Apache-2.0'],
  ['Apache License, Version 2.0', 'Apache-2.0'],
  ['Apache Software License', 'Apache-2.0'],
  ['BSD-3-Clause', 'BSD-3-Clause'],
  ['3-Clause BSD License', 'BSD-3-Clause'],
  ['ISC License (ISCL)', 'ISC'],
  ['Mozilla Public License 2.0 (MPL 2.0)', 'MPL-2.0'],
  ['(MIT OR WTFPL)', 'MIT OR WTFPL'],
  ['MIT or Apache-2.0', 'MIT OR Apache-2.0'],
  ['MIT License\n\nCopyright (c) 2026\n\nPermission is hereby granted, free of charge, ...', 'MIT'],
  ['LGPL-3.0-or-later', 'LGPL-3.0-or-later'],
])('%j is %s', (said, licence) => {
  expect(nameOf(said)).toBe(licence);
});

test.each(['', 'UNKNOWN', 'BSD', 'Proprietary', 'SEE LICENSE IN README.md', 'Other/Proprietary License', 'a\nb'])(
  '%j says too little',
  (said) => {
    expect(nameOf(said)).toBeUndefined();
  },
);

test.each([
  ['MIT', true],
  ['GPL-3.0-only', false],
  ['GPL-3.0-only OR MIT', true],
  ['GPL-3.0-only AND MIT', false],
  ['MIT AND (GPL-3.0-only OR Apache-2.0)', true],
  ['(MIT AND GPL-3.0-only) OR Apache-2.0', true],
  ['(MIT AND GPL-3.0-only) OR LGPL-2.1-only', false],
  ['Apache-2.0 WITH LLVM-exception AND MIT', true],
  ['unknown', false],
  ['MIT GPL-3.0-only', false],
  ['', false],
])('%j is allowed: %s', (licence, is) => {
  expect(allowed(licence, ['MIT', 'Apache-2.0'])).toBe(is);
});

test('copyleft is told wherever it stands', () => {
  for (const licence of ['GPL-3.0-only', 'AGPL-3.0', 'MIT AND MPL-2.0', 'LGPL-2.1-only', 'MIT OR GPL-2.0'])
    expect(isCopyleft(licence)).toBe(true);
  for (const licence of ['MIT', 'Apache-2.0', 'BSD-3-Clause', 'CC0-1.0']) expect(isCopyleft(licence)).toBe(false);
});
