/**
 * What the learning clock does, told as it happens. The clock is another process, and the command line may do the same:
 * the rows know of all.
 */
import type { Cycle } from '../../core/learning/cycle.js';
import { reasonOf } from '../../core/errors.js';
import { cyclesOf } from '../../store/learning/cycles.js';
import type { Db } from '../../store/file/db.js';
import { decisionsOf } from '../../store/learning/decisions.js';
import type { Output } from './output.js';

const LOOK_MS = 1_000;
/** Decisions that may be made between two looks. */
const DECISIONS = 20;

/** Tells of cycles and decisions from now on. Returns what stops it. */
export function tellLearning(db: Db, output: Output): () => void {
  const place = ({ id, state, stage }: Cycle): string => `${id} ${state} ${stage}`;
  let [cycle] = cyclesOf(db, 1);
  let last = decisionsOf(db, 1)[0]?.id ?? '';
  const look = (): void => {
    const [newest] = cyclesOf(db, 1);
    if (newest !== undefined && (cycle === undefined || place(newest) !== place(cycle))) {
      cycle = newest;
      const { id, state, stage, baseVersion, note } = newest;
      const reason = state === 'running' || note === '' ? undefined : note;
      output.event(
        'cycle',
        { cycle: id, state, stage, base_version: baseVersion, reason },
        `learning cycle ${id}: ${state === 'running' ? stage : state}${reason === undefined ? '' : `, ${reason}`}`,
      );
    }
    for (const { id, kind, version, against, passed, reason } of decisionsOf(db, DECISIONS)
      .filter((decision) => decision.id > last)
      .reverse()) {
      last = id;
      output.event(
        'decision',
        { kind, version, against, passed, reason },
        `${kind} of version ${version}: ${passed ? 'yes' : 'no'}, ${reason}`,
      );
    }
  };
  const timer = setInterval(() => {
    try {
      look();
    } catch (thrown) {
      // Rows that cannot be read now are told of later; what answers requests must not end over it.
      output.warn(`the learning clock's rows cannot be read: ${reasonOf(thrown)}`);
    }
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
