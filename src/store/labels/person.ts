/** What people say of a step, as verdicts: the newest label that stands is their word, until it is taken back. */
import type { Judgement } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { say, type Spoken, subjectsOf } from './spoken.js';

/** In SQL, of a label `l`: nobody has taken it back, and it takes none back. */
export const STANDS = 'l.withdraws IS NULL AND NOT EXISTS (SELECT 1 FROM labels w WHERE w.withdraws = l.id)';

/**
 * `version`: the label, or what takes one back. Verdicts are never changed, so what is taken back is said by a newer
 * one, which says again what stands, or abstains where nothing does.
 */
export function speak(db: Db, step: Spoken, version: string, at: number): void {
  const standing = prepared<[string], { id: string; good: 0 | 1 | null }>(
    db,
    `SELECT l.id, l.good FROM labels l WHERE l.step_id = ? AND ${STANDS} ORDER BY l.created_at DESC, l.id DESC LIMIT 1`,
  ).get(step.id);
  const said = wordOf(standing, version);
  say(
    db,
    'person',
    subjectsOf(step).map((subject) => ({ subject, version, said })),
    at,
  );
}

function wordOf(
  standing: { readonly id: string; readonly good: 0 | 1 | null } | undefined,
  version: string,
): Judgement {
  if (standing === undefined)
    return { kind: 'absent', reason: `taken back by ${version}; nobody says anything of it now` };
  const { id, good } = standing;
  if (good === null) return { kind: 'absent', reason: `label ${id}: the person cannot say` };
  return { kind: 'verdict', score: good, good: good === 1, confidence: 1, rationale: `label ${id}` };
}
