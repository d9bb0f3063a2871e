/** Which held-out tasks a gate asks, and of which a report may say that no decision has fitted itself to them. */
import { expect, test } from 'vitest';

import type { Task } from '../../src/core/learning/task.js';
import { askable, keptFromGate } from '../../src/learner/askable.js';
import { keptForReport } from '../../src/promote/plan.js';

const RULES = [{ kind: 'rule' as const }];
const task = (id: string, content: string, more: Partial<Task> = {}): Task => ({
  ...{ id, messages: [{ role: 'user', content }], reference: '1', split: 'heldout', metadata: {} },
  ...more,
});
const many = (count: number): Task[] => Array.from({ length: count }, (_, at) => task(`t${at}`, `What is ${at}?`));
const ids = (tasks: readonly Task[]): string[] => tasks.map(({ id }) => id);

test('of tasks that ask the same, in whatever case and spacing, the first is asked', () => {
  const list = [task('a', 'What is 3 + 4?'), task('b', 'what  is 3 + 4'), task('c', 'What is 3 - 4?')];
  expect(askable(list, RULES)).toMatchObject({ asAnother: 1, withoutReference: 0 });
  expect(ids(askable(list, RULES).tasks)).toEqual(['a', 'c']);
});

test('with other tools, or after other words, it is another question', () => {
  const before = task('c', 'Well?', {
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Well?' },
    ],
  });
  const list = [task('a', 'Well?'), task('b', 'Well?', { tools: ['calculator'] }), before];
  expect(ids(askable(list, RULES).tasks)).toEqual(['a', 'b', 'c']);
});

test('what only a reference tells right from wrong is asked where it has one, or where a judge needs none', () => {
  const list = [task('a', 'one'), task('b', 'two', { reference: undefined })];
  expect(askable(list, RULES)).toMatchObject({ withoutReference: 1, tasks: [{ id: 'a' }] });
  expect(ids(askable(list, [...RULES, { kind: 'rollout' }]).tasks)).toEqual(['a']);
  expect(ids(askable(list, [...RULES, { kind: 'model' }]).tasks)).toEqual(['a', 'b']);
});

test('a third of a small set is kept, also when a part of it is reported on', () => {
  const list = many(60);
  const kept = ids(list).filter(keptForReport);
  expect(ids(keptFromGate(list, list, RULES))).toEqual(kept);
  expect(ids(keptFromGate(list.slice(0, 20), list, RULES))).toEqual(
    kept.filter((id) => ids(list.slice(0, 20)).includes(id)),
  );
});

test('of a large set the gate asks everything, whatever part of it is reported on', () => {
  const list = many(300);
  expect(keptFromGate(list.slice(0, 100), list, RULES)).toEqual([]);
});

test('a question that the gate asks under another id is not kept, and a training task is none of it', () => {
  const list = many(30);
  const own = list.find(({ id }) => !keptForReport(id)) ?? expect.fail('none');
  const copy = { ...own, id: ['x', 'y', 'z', 'u', 'v', 'w'].find(keptForReport) ?? expect.fail('none') };
  expect(ids(keptFromGate([copy, task('new', 'Something new?', { split: 'train' })], [...list, copy], RULES))).toEqual(
    [],
  );
});
