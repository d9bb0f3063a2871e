import { describe, expect, it } from 'vitest';

import type { Decision } from '../../../src/core/learning/version.js';
import { candidateNumber, standingPass } from '../../../src/core/learning/standing.js';

/** Decisions as lists have them, newest first. */
function history(...rows: readonly (readonly [Decision['kind'], number, number, boolean?])[]): Decision[] {
  return rows
    .map(([kind, version, against, passed = true], at): Decision => {
      return { id: `d${at}`, kind, version, against, passed, reason: '', numbers: {}, createdAt: at };
    })
    .reverse();
}

describe('the number of a candidate', () => {
  it('counts the tests since the last promotion, of whichever version', () => {
    expect(candidateNumber([], { version: 1, open: [] })).toBe(1);
    const refused = history(['gate', 1, 0, false], ['parity', 2, 0], ['gate', 2, 0, false], ['gate', 2, 0, false]);
    expect(candidateNumber(refused, { version: 3, open: [] })).toBe(4);
    expect(candidateNumber(refused, { version: 2, open: [] })).toBe(4);
  });

  it('begins anew with a promotion, and not with a rollback or a reset', () => {
    const promoted = history(['gate', 1, 0, false], ['gate', 2, 0], ['promotion', 2, 0]);
    expect(candidateNumber(promoted, { version: 3, open: [] })).toBe(1);
    const back = history(
      ['gate', 2, 0],
      ['promotion', 2, 0],
      ['gate', 3, 2, false],
      ['rollback', 4, 2],
      ['head_reset', 4, 3],
    );
    expect(candidateNumber(back, { version: 5, open: [] })).toBe(2);
  });

  it('counts what was begun with another version and given up, and not what goes on with this one', () => {
    const refused = history(['gate', 1, 0, false]);
    expect(candidateNumber(refused, { version: 4, open: [1, 2, 3, 3] })).toBe(4);
    expect(candidateNumber(refused, { version: 3, open: [2, 3] })).toBe(3);
  });
});

describe('a pass', () => {
  it('stands while that serves which the version was better than', () => {
    const decisions = history(['gate', 2, 0], ['promotion', 2, 0], ['gate', 3, 2], ['gate', 4, 2, false]);
    expect(standingPass(decisions, 3, 2)).toMatchObject({ kind: 'gate', version: 3, against: 2 });
    expect(standingPass(decisions, 2, 3)).toBe(
      'version 2 was shown to be better than version 0, and version 3 serves now',
    );
    expect(standingPass(decisions, 4, 2)).toBe('version 4 has not passed the gate');
    expect(standingPass(decisions, 2, 2)).toMatch(/better than version 0/);
  });

  it('is found behind a later refusal, and behind a pass against another version', () => {
    const decisions = history(['gate', 3, 2], ['gate', 3, 1], ['gate', 3, 2, false]);
    expect(standingPass(decisions, 3, 2)).toMatchObject({ against: 2, passed: true });
  });
});
