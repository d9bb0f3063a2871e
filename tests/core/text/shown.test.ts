import { describe, expect, it } from 'vitest';

import { shown, shownJson, shownLines } from '../../../src/core/text/shown.js';

const WILD = 'a\u001b[2J\u0007\u007f\u009b1m\u202e\u200b\u2028\n\t\u{e0001}b \u00e9\u{1f600}';

describe('text of others', () => {
  it('shows what cannot be seen, and leaves the rest', () => {
    expect(shown(WILD)).toBe(
      'a\\u001b[2J\\u0007\\u007f\\u009b1m\\u202e\\u200b\\u2028\\u000a\\u0009\\udb40\\udc01b \u00e9\u{1f600}',
    );
    expect(shownLines('a\nb\u001b')).toBe('a\nb\\u001b');
  });

  it('is the same JSON as before', () => {
    const json = JSON.stringify({ [WILD]: [WILD] }, null, 2);
    expect(JSON.parse(shownJson(json))).toEqual({ [WILD]: [WILD] });
    expect(shownJson(json)).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/u);
  });
});
