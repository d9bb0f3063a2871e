import { afterEach, expect, test } from 'vitest';

import type { Judge } from '../../src/core/learning/judging.js';
import { generate } from '../../src/learner/generating.js';
import { judgeLog } from '../../src/learner/judging.js';
import { bench, type Bench, sum, tasks } from './bench.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

test('judging a log lets others have their turn: who started the cycle waits for its row', async () => {
  open = await bench();
  const asked = [sum('a', 11, 22), sum('b', 33, 44)];
  tasks(open, asked);
  await generate(open.learner, asked, 1, 0);
  let turned = false;
  const seen: boolean[] = [];
  const judgeNamed = (name: string): Judge => ({
    name,
    version: '1',
    kind: 'rule',
    judge() {
      seen.push(turned);
      return Promise.resolve({ kind: 'absent', reason: 'a test' });
    },
  });
  setImmediate(() => (turned = true));
  await judgeLog({ ...open.learner, judges: [judgeNamed('first'), judgeNamed('second')] });
  expect(seen[0]).toBe(false);
  expect(seen.at(-1)).toBe(true);
});
