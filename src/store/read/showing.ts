/**
 * A trajectory as it is sent. Its steps repeat what they were offered and, with their tokens, all of their prompts: of
 * a long one that is more than memory holds, so it is bounded, or written piece by piece.
 */
import { GyreError } from '../../core/errors.js';
import type { TrajectorySummary, TrajectoryView } from '../../core/reading.js';
import type { Shown } from '../../core/reading/filters.js';
import { writeJson } from '../../core/text/json.js';
import type { Db } from '../file/db.js';
import { labelsOf } from '../labels/labels.js';
import type { StoredTrajectory } from './head.js';
import { queriesOf } from './queries.js';
import { summaryOf } from './summary.js';
import { openTrajectory } from './trajectories.js';

/** Characters of the JSON of one trajectory that is held whole. */
const MOST_CHARS = 32 * 1024 * 1024;

/** A trajectory, and how many characters its JSON has. */
export interface Shape {
  readonly view: TrajectoryView | TrajectorySummary;
  readonly chars: number;
}

/**
 * As it stands at one moment: it may be gone on with or deleted while it is read. Undefined when there is none, or none
 * of this key's. Throws 413 where it is more than `most` characters.
 */
export function showTrajectory(
  db: Db,
  id: string,
  shown: Shown,
  keyId?: string,
  most = MOST_CHARS,
): TrajectoryView | TrajectorySummary | undefined {
  return db.$client.transaction(() => {
    const row = queriesOf(db).trajectory.get({ id });
    if (row === undefined || (keyId !== undefined && row.keyId !== keyId)) return undefined;
    const shape = shapeOf(db, row, shown, most);
    if (shape === undefined) throw tooLarge(id, most, shown.tokens);
    return shape.view;
  })();
}

/** As {@link showTrajectory}; one that is too large is told in a few lines. */
export function listedTrajectory(db: Db, id: string, shown: Shown, most = MOST_CHARS): Shape | undefined {
  return db.$client.transaction(() => {
    const row = queriesOf(db).trajectory.get({ id });
    if (row === undefined) return undefined;
    const shape = shapeOf(db, row, shown, most);
    return shape ?? { view: { ...summaryOf(db, row), too_large: true as const }, chars: 0 };
  })();
}

/** Undefined where it is more than `most` characters. */
function shapeOf(db: Db, row: StoredTrajectory, { view, tokens }: Shown, most: number): Shape | undefined {
  if (view === 'summary') return { view: summaryOf(db, row), chars: 0 };
  const { head, steps } = openTrajectory(db, row, { view, tokens });
  let chars = writeJson(head).length;
  const all = [];
  for (const step of steps()) {
    chars += writeJson(step).length;
    if (chars > most) return undefined;
    all.push(step);
  }
  return chars > most ? undefined : { view: { ...head, steps: all }, chars };
}

/**
 * The JSON of a whole trajectory in pieces of a step each, however large, with its labels where it has any. What is
 * not more than `most` characters is as it stands at one moment.
 */
export function* trajectoryPieces(
  db: Db,
  id: string,
  { tokens, view }: Shown & { readonly view: 'client' | 'policy' },
  most = MOST_CHARS,
): Generator<string> {
  const begun = db.$client.transaction(() => {
    const row = queriesOf(db).trajectory.get({ id });
    if (row === undefined) return undefined;
    const { head, steps } = openTrajectory(db, row, { view, tokens });
    const rest = steps();
    const labels = labelsOf(db, id);
    const whole = labels.length === 0 ? head : { ...head, labels };
    const first = [`${writeJson(whole).slice(0, -1)},"steps":[`];
    let chars = 0;
    while (chars <= most) {
      const next = rest.next();
      if (next.done === true) break;
      first.push(`${first.length === 1 ? '' : ','}${writeJson(next.value)}`);
      chars += first.at(-1)?.length ?? 0;
    }
    return { first, rest };
  })();
  if (begun === undefined) return;
  yield* begun.first;
  for (const step of begun.rest) yield `,${writeJson(step)}`;
  yield ']}';
}

function tooLarge(id: string, most: number, tokens: boolean): GyreError {
  return new GyreError({
    side: 'client',
    status: 413,
    code: 'answer_too_large',
    message:
      `The trajectory ${id} is more than ${most} characters${tokens ? ' with its tokens' : ''}. ` +
      `Ask ${tokens ? 'without "include=tokens"' : 'with "view=summary"'}, for its steps one by one ` +
      '(GET /gyre/v1/steps/{id}), or have it written by `gyre export`.',
  });
}
