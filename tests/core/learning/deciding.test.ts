import { expect, test } from 'vitest';

import { deciding, type DeclaredJudge } from '../../../src/core/learning/deciding.js';
import type { Verdict } from '../../../src/core/learning/judging.js';

let made = 0;
const says = (judge: string, good: boolean | undefined, createdAt = 0, rationale = ''): Verdict => ({
  id: `vrd-${String((made += 1)).padStart(6, '0')}`,
  subjectKind: 'step',
  subjectId: 's',
  judge,
  judgeVersion: '1',
  rationale,
  createdAt,
  ...(good === undefined ? {} : { good, score: Number(good) }),
});

const decider = (list: readonly Verdict[], failed: readonly string[] = []): string | undefined =>
  deciding(list, undefined, new Set(failed)).verdict?.judge;

test('a judge is heard with its newest word, in whichever order the rows come', () => {
  const old = says('reference', false, 1);
  const now = says('reference', true, 2);
  expect(deciding([old, now]).verdict).toBe(now);
  expect(deciding([now, old]).verdict).toBe(now);
});

test('of two words of one millisecond the one with the later id is the newer', () => {
  const [first, second] = [says('reference', false, 7), says('reference', true, 7)];
  expect(deciding([second, first]).verdict).toBe(second);
});

test('one that cannot tell leaves the decision to the next', () => {
  const list = [says('well_formed', true), says('reference', undefined), says('follows_observation', false)];
  expect(decider(list)).toBe('follows_observation');
  expect(deciding(list).right).toBeUndefined();
});

test('what is no action is bad, whoever else calls it good', () => {
  const ruling = deciding([says('person', true), says('well_formed', false)]);
  expect(ruling).toMatchObject({ vetoed: true, place: 0, verdict: { judge: 'well_formed', good: false } });
  expect(ruling.right?.judge).toBe('person');
});

test('while a judge that failed waits to be asked again, nobody after it decides', () => {
  const list = [says('follows_observation', true), says('well_formed', true)];
  expect(decider(list)).toBe('follows_observation');
  expect(decider(list, ['reference'])).toBeUndefined();
  expect(decider([...list, says('person', true)], ['reference'])).toBe('person');
  expect(decider([says('reference', true)], ['well_formed']), 'it might yet be no action at all').toBeUndefined();
});

test('a failure that an earlier build kept as a verdict says nothing and withdraws nothing', () => {
  for (const reason of ['cancelled', 'the judge failed: no route'])
    expect(decider([says('reference', true, 1), says('reference', undefined, 2, reason)])).toBe('reference');
});

test('a judge that is not declared decides nothing and is named', () => {
  const ruling = deciding([says('stranger', true), says('well_formed', true), says('other', undefined)]);
  expect(ruling.unknown).toEqual(['stranger', 'other']);
  expect(ruling.verdict?.judge).toBe('well_formed');
});

test('the order, the roles and who has to be heard are as they are declared', () => {
  const judges: readonly DeclaredJudge[] = [
    { name: 'model', kind: 'model', role: 'decides', required: true },
    { name: 'reference', kind: 'rule', role: 'decides' },
    { name: 'form', kind: 'rule', role: 'vetoes', required: true },
  ];
  const all = [says('reference', false), says('model', true), says('form', true)];
  expect(deciding(all, judges)).toMatchObject({ verdict: { judge: 'model' }, place: 1, rightKind: 'model' });
  expect(deciding(all.slice(0, 2), judges).verdict, 'the veto was not asked').toBeUndefined();
  expect(deciding([...all, says('model', undefined, 1)], judges).right).toBeUndefined();
});
