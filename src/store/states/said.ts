/** What judges have decided about the steps of a trajectory and about the answers in it: the rows, and no judgement. */
import { prepared, type Db } from '../file/db.js';

export interface Ruled {
  /** `told`: a judge that knows right from wrong could tell, or had what it takes to. */
  step(id: string): { readonly good: boolean | undefined; readonly told: boolean };
  /** The answer that a response ended with. */
  response(id: string): boolean | undefined;
}

interface Row {
  readonly good: 0 | 1 | null;
  readonly gradable: 0 | 1;
}

export function said(db: Db): Ruled {
  const row = prepared<[string, string], Row>(
    db,
    'SELECT good, gradable FROM decided WHERE subject_kind = ? AND subject_id = ?',
  );
  const goodOf = (found: Row | undefined): boolean | undefined =>
    (found?.good ?? null) === null ? undefined : found?.good === 1;
  return {
    step(id) {
      const found = row.get('step', id);
      return { good: goodOf(found), told: found?.gradable === 1 };
    },
    response: (id) => goodOf(row.get('response', id)),
  };
}
