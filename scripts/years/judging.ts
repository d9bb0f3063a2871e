/** How fast the rule judges go through a log, at its beginning and at its end. */
import type { Judge } from '../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { JUDGES } from '../../src/core/learning/deciding.js';
import { ruleJudges } from '../../src/judge/rules/rules.js';
import { judgeLog } from '../../src/learner/judging.js';
import { learningStore } from '../../src/store/clock/open.js';
import type { Store } from '../../src/store/file/db.js';

interface Point {
  readonly at: number;
  readonly done: number;
}

export async function* judging(
  store: Store,
  note: (text: string) => void,
): AsyncGenerator<{ readonly what: string; readonly value: string }> {
  const points: Point[] = [{ at: performance.now(), done: 0 }];
  let said = performance.now();
  const judges: readonly Judge[] = ruleJudges(new Map());
  const judge = (): Promise<{ readonly judged: number }> =>
    judgeLog({
      rows: learningStore(store.db, GYRE_POLICY),
      judges,
      declared: JUDGES,
      toolbox: new Map(),
      signal: new AbortController().signal,
      progress: ({ done }) => {
        points.push({ at: performance.now(), done });
        if (performance.now() - said < 5_000) return;
        said = performance.now();
        note(`judging: ${done}`);
      },
    });
  const { judged } = await judge();
  yield { what: `judging, ${judged} judgements, each second`, value: `${perSecond(points, 0, 1)}` };
  yield {
    what: '  in the first and the last fifth',
    value: `${perSecond(points, 0, 0.2)}, ${perSecond(points, 0.8, 1)}`,
  };
  const began = performance.now();
  await judge();
  yield { what: 'judging with nothing to do', value: `${(performance.now() - began).toFixed(2)} ms` };
}

/** Judgements a second between two shares of all that was judged. */
function perSecond(points: readonly Point[], from: number, to: number): number {
  const total = points.at(-1)?.done ?? 0;
  const within = points.filter(({ done }) => done >= from * total && done <= to * total);
  const [first, last] = [within[0], within.at(-1)];
  if (first === undefined || last === undefined || last.at === first.at) return 0;
  return Math.round((1000 * (last.done - first.done)) / (last.at - first.at));
}
