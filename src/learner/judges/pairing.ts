/**
 * A judge that is shown two answers, against pairs of gold items: how often it prefers the good one to the bad one.
 * Only items of one state make a pair, since answers that are compared are answers to one state, and an answer to
 * something else is told from a right one by anybody. Each item is in one pair at most, so that pairs say something of
 * their own.
 */
import { LEAST_PAIRS, type PairNumbers } from '../../core/judging/pairs.js';
import { type PairComparer, saidIn } from '../../core/judging/live.js';
import type { Subject } from '../../core/learning/judging.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { preferred } from '../../promote/preference.js';
import { inParallel } from '../pool.js';
import type { Calibrating, GoldSubject } from './calibrating.js';

/** Pairs asked at once, and at most. */
const CONCURRENCY = 4;
const MOST_PAIRS = 100;

export interface GoldPair {
  readonly good: Subject;
  readonly bad: Subject;
}

/** In an order that the items do not choose. */
export function pairsIn(gold: readonly Pick<GoldSubject, 'subject' | 'truth'>[]): readonly GoldPair[] {
  const states = new Map<string, { good: Subject[]; bad: Subject[] }>();
  const byLot = [...gold].sort((a, b) => (lotOf(a.subject) < lotOf(b.subject) ? -1 : 1));
  for (const { subject, truth } of byLot) {
    const key = canonicalJson([subject.messages, subject.tools]);
    let state = states.get(key);
    if (state === undefined) states.set(key, (state = { good: [], bad: [] }));
    state[truth ? 'good' : 'bad'].push(subject);
  }
  const pairs = [...states.values()].flatMap(({ good, bad }) =>
    bad.slice(0, good.length).map((each, at): GoldPair => ({ good: good[at] as Subject, bad: each })),
  );
  return pairs.sort((a, b) => (lotOf(a.good) < lotOf(b.good) ? -1 : 1));
}

function lotOf({ id }: Subject): string {
  return sha256(`pair ${id}`);
}

/** Undefined where the gold has too few pairs for anything to be known: then nothing is asked. */
export async function comparedOn(
  comparer: PairComparer,
  gold: readonly Pick<GoldSubject, 'subject' | 'truth'>[],
  { signal, progress, took = () => undefined }: Calibrating,
): Promise<PairNumbers | undefined> {
  const pairs = pairsIn(gold);
  if (pairs.length < LEAST_PAIRS) return undefined;
  const asked = pairs.slice(0, MOST_PAIRS);
  let [right, wrong, faults, done] = [0, 0, 0, 0];
  await inParallel(asked, CONCURRENCY, async ({ good, bad }) => {
    const { messages, tools } = good;
    const shown = { id: `${good.id} ${bad.id}`, messages, tools };
    const [one, other] = [saidIn(good.text, good.calls), saidIn(bad.text, bad.calls)];
    try {
      const said = await Promise.all([
        comparer.compare({ ...shown, first: one, second: other }, signal),
        comparer.compare({ ...shown, first: other, second: one }, signal),
      ]);
      for (const { cost } of said) if (cost !== undefined) took(cost);
      if ('fault' in said[0] || 'fault' in said[1]) faults += 1;
      else {
        const outcome = preferred([said[0].preference, said[1].preference]);
        if (outcome === 'won') right += 1;
        if (outcome === 'lost') wrong += 1;
      }
    } catch {
      signal.throwIfAborted();
      faults += 1;
    }
    progress({ stage: 'calibrate pairs', done: (done += 1), total: asked.length });
  });
  return { version: comparer.version, n: asked.length - faults, right, wrong, faults };
}
