/** What judges have decided about the steps of a trajectory and about its answers. */
import { JUDGE_ORDER } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';

export interface Ruled {
  /** `told`: by a judge that knows right from wrong. */
  step(id: string): { readonly good: boolean | undefined; readonly told: boolean };
  response(id: string): boolean | undefined;
}

interface Word {
  readonly judge: string;
  readonly good: 0 | 1 | null;
}

const KNOWS: ReadonlySet<string> = new Set(['person', 'model', 'reference']);

export function said(db: Db, trajectoryId: string): Ruled {
  const words = (kind: string, id: string): Word[] =>
    prepared<[string, string], Word>(
      db,
      `SELECT judge, good FROM verdicts WHERE subject_kind = ? AND subject_id = ? ORDER BY created_at, rowid`,
    ).all(kind, id);
  const decides = (kind: string, id: string): Word | undefined => {
    const last = new Map(words(kind, id).map((word) => [word.judge, word]));
    return JUDGE_ORDER.map((judge) => last.get(judge)).find((word) => (word?.good ?? null) !== null);
  };
  const outcome = decides('trajectory', trajectoryId);
  return {
    step(id) {
      const word = decides('step', id);
      return { good: word === undefined ? undefined : word.good === 1, told: KNOWS.has(word?.judge ?? '') };
    },
    response: () => (outcome === undefined ? undefined : outcome.good === 1),
  };
}
