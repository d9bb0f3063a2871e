/**
 * Lines of the operator's log on cycles and decisions, as they happen. They are read from the rows, because they are
 * made in other processes: the learning clock's, or one of the command line.
 */
import type { Cycle } from '../../core/learning/cycle.js';
import { reasonOf } from '../../core/errors.js';
import { cyclesOf } from '../../store/learning/cycles.js';
import type { Db } from '../../store/file/db.js';
import { decisionsOf } from '../../store/learning/decisions.js';
import type { Output } from './output.js';

const POLL_MS = 1_000;
/** Decisions read at a time: more than are ever made within one interval. */
const DECISIONS = 20;

/** Reports cycles and decisions from now on. Returns a function that stops it. */
export function reportLearning(db: Db, output: Output): () => void {
  const progressOf = ({ id, state, stage }: Cycle): string => `${id} ${state} ${stage}`;
  let [cycle] = cyclesOf(db, 1);
  let last = decisionsOf(db, 1)[0]?.id ?? '';
  const report = (): void => {
    const [newest] = cyclesOf(db, 1);
    if (newest !== undefined && (cycle === undefined || progressOf(newest) !== progressOf(cycle))) {
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
      report();
    } catch (thrown) {
      // The rows are read again at the next interval; the process that answers requests must not end over it.
      output.warn(`the learning clock's rows cannot be read: ${reasonOf(thrown)}`);
    }
  }, POLL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
