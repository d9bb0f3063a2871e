/**
 * The learning clock's rows as the gateway tells of them: lines of the operator's log on cycles and decisions as they
 * happen, and numbers. They are read again and again, because they are made in other processes: the learning clock's,
 * or one of the command line.
 */
import { alarmOf, driftSaid } from '../../core/judging/drift.js';
import type { Cycle, LearningNews } from '../../core/learning/cycle.js';
import { reasonOf } from '../../core/errors.js';
import type { Output } from './output.js';

const POLL_MS = 1_000;

/** What metrics show of learning. */
interface Numbers {
  readonly head: number;
  readonly cycles: LearningNews['cycles'];
  readonly update?: LearningNews['update'];
  readonly canary?: LearningNews['canary'];
  readonly drifts?: LearningNews['drifts'];
  readonly waiting?: LearningNews['waiting'];
}

export class NewsWatch {
  readonly #read: () => Promise<LearningNews>;
  readonly #output: Output;
  #numbers: Numbers = { head: 0, cycles: { running: 0, done: 0, failed: 0, skipped: 0 } };
  #cycle: Cycle | undefined;
  #lastDecision = '';
  #timer: NodeJS.Timeout | undefined;
  #began = false;
  #reading = false;

  constructor(read: () => Promise<LearningNews>, output: Output) {
    this.#read = read;
    this.#output = output;
  }

  /** As of the last look. */
  get numbers(): Numbers {
    return this.#numbers;
  }

  /** Tells of what happens from now on; resolves when it is known what happened before. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#look(), POLL_MS);
    this.#timer.unref();
    await this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.#tell(await this.#read());
    } catch (thrown) {
      // The rows are read again at the next interval; the process that answers requests must not end over it.
      this.#output.warn(`the learning clock's rows cannot be read: ${reasonOf(thrown)}`);
    } finally {
      this.#reading = false;
    }
  }

  #tell({ head, newest, cycles, decisions, update, drifts, canary, waiting }: LearningNews): void {
    const earlier = this.#numbers.update?.version ?? 0;
    const alarmed = new Set((this.#numbers.drifts ?? []).filter(({ alarm }) => alarm).map(alarmOf));
    const away = new Set((this.#numbers.waiting ?? []).map(({ judge }) => judge));
    this.#numbers = { head, cycles, update, drifts, canary, waiting };
    const known = this.#cycle;
    this.#cycle = newest;
    const last = this.#lastDecision;
    this.#lastDecision = decisions[0]?.id ?? last;
    if (!this.#began) {
      this.#began = true;
      return;
    }
    if (newest !== undefined && (known === undefined || progressOf(newest) !== progressOf(known))) {
      const { id, state, stage, baseVersion, note } = newest;
      const reason = state === 'running' || note === '' ? undefined : note;
      this.#output.event(
        'cycle',
        { cycle: id, state, stage, base_version: baseVersion, reason },
        `learning cycle ${id}: ${state === 'running' ? stage : state}${reason === undefined ? '' : `, ${reason}`}`,
      );
    }
    if (update !== undefined && update.version > earlier)
      for (const { name, value, bound, reason } of update.alarms)
        this.#output.event(
          'alarm',
          { alarm: name, version: update.version, value, bound, reason },
          `alarm at the update to version ${update.version}: ${reason}`,
        );
    for (const drift of drifts) {
      if (!drift.alarm || alarmed.has(alarmOf(drift))) continue;
      const { measure, judge, version, value, bound } = drift;
      const reason = driftSaid(drift);
      this.#output.event(
        'alarm',
        { alarm: `drift_${measure}`, judge, version, value, bound, reason },
        `alarm: nothing is promoted, since ${reason}`,
      );
    }
    for (const { judge, subjects, reason } of waiting)
      if (!away.delete(judge))
        this.#output.event(
          'judge',
          { judge, waiting: subjects, reason },
          `the judge ${judge} could not say, and is asked again of what waits for it: ${reason}`,
        );
    for (const judge of away)
      this.#output.event('judge', { judge, waiting: 0 }, `the judge ${judge} has been asked of all that waited for it`);
    for (const { id, kind, version, against, passed, reason } of decisions.toReversed()) {
      if (id <= last) continue;
      this.#output.event(
        'decision',
        { kind, version, against, passed, reason },
        `${kind} of version ${version}: ${passed ? 'yes' : 'no'}, ${reason}`,
      );
    }
  }
}

function progressOf({ id, state, stage }: Cycle): string {
  return `${id} ${state} ${stage}`;
}
