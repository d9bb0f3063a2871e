/**
 * Generation, the first stage of SWiRL (arXiv 2504.04736): the loop run on tasks, N trajectories each, all logged. How
 * far it has come is what is in the log: whoever asks for the same again asks what is missing.
 */
import { asGyreError, type GyreError } from '../core/errors.js';
import { capOf, type GeneratedTrajectory, type Task, taskSetHash } from '../core/learning/task.js';
import { Pacing } from '../core/running/pacing.js';
import { canonicalJson, sha256 } from '../core/text/hash.js';
import { eachOnce } from './askable.js';
import { attempt, type AttemptOptions, type Teacher } from './attempt.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';

/** Tasks answered at once where nothing is said. */
const CONCURRENCY = 24;
/** How often one trajectory is tried where its server has too much, or fails. */
const TRIES = 5;
/** Trajectories that fail one after the other before no more are begun: whatever it is, it is not the task. */
const FAILURES = 8;

export interface GenerateOptions {
  /** Trajectories a task. */
  readonly each: number;
  /** The policy's version that answers, where no teacher does. */
  readonly version: number;
  readonly teacher?: Teacher | undefined;
  readonly steps?: number | undefined;
  readonly tools?: readonly string[] | undefined;
  readonly parallel?: number | undefined;
  /** What was generated before then does not count; all of it does without. */
  readonly since?: number | undefined;
  /** Whether clients are being answered; nobody says so without it. */
  readonly busy?: (() => Promise<boolean>) | undefined;
}

/** What there is when it has ended: of this run and of those before it that asked the same. */
export interface Generation {
  /** Different questions. */
  readonly tasks: number;
  /** Tasks that ask what another asks, and were not asked. */
  readonly sameQuestion: number;
  /** Trajectories that were there before. */
  readonly there: number;
  readonly trajectories: number;
  readonly steps: number;
  readonly calls: number;
  /** Tried and not come to an end, in this run; and why the last of them. */
  readonly failures: number;
  readonly lastFailure?: string | undefined;
  /** Trajectories that say and call word for word what an earlier one of their task does. */
  readonly duplicates: readonly { readonly id: string; readonly taskId: string; readonly of: string }[];
}

/**
 * Answers every task `perTask` times with the given version, or as often as it lacks since then. Returns how many
 * answers there are. Throws where none can come.
 */
export async function generate(
  learner: Learner,
  tasks: readonly Task[],
  perTask: number,
  version: number,
  since?: number,
): Promise<number> {
  const there = since === undefined ? [] : await generated(learner, tasks, { each: perTask, version, since });
  const asked = missingOf(tasks, there, perTask);
  let answered = there.length;
  await inParallel(asked, CONCURRENCY, async (task) => {
    learner.signal.throwIfAborted();
    const { outcome } = await attempt(learner, task, howOf(learner, task, { each: perTask, version }));
    if (outcome === 'completed' || outcome === 'incomplete') answered += 1;
    learner.progress({ stage: 'generate', done: answered, total: perTask * tasks.length });
  });
  return answered;
}

/** Asks what is missing of so many trajectories a task, and tells what there is then. */
export async function generateMissing(
  learner: Learner,
  tasks: readonly Task[],
  options: GenerateOptions,
): Promise<Generation> {
  const { signal, progress } = learner;
  const asked = eachOnce(tasks);
  const there = await generated(learner, asked, options);
  const missing = missingOf(asked, there, options.each);
  const total = asked.length * options.each;
  const pacing = new Pacing({
    width: options.parallel ?? CONCURRENCY,
    busy: options.busy ?? (() => Promise.resolve(false)),
    signal,
  });
  let done = total - missing.length;
  const failed = { all: 0, inARow: 0, last: undefined as GyreError | undefined };
  progress({ stage: 'generate', done, total });
  await inParallel(missing, options.parallel ?? CONCURRENCY, async (task) => {
    signal.throwIfAborted();
    if (failed.inARow >= FAILURES) return;
    const fault = await triedAgain(pacing, async () => {
      const { outcome } = await attempt(learner, task, howOf(learner, task, options));
      signal.throwIfAborted();
      if (outcome === 'failed' || outcome === 'cancelled') throw new Error(`its trajectory ${outcome}`);
    });
    signal.throwIfAborted();
    if (fault === undefined) {
      done += 1;
      failed.inARow = 0;
    } else {
      failed.all += 1;
      failed.inARow += 1;
      failed.last = fault;
      // That a task cannot be asked at all is a mistake in the task, and of whoever asks.
      if (fault.side === 'client') throw fault;
    }
    progress({ stage: 'generate', done, total, ...(failed.all === 0 ? {} : { note: `${failed.all} failed` }) });
  });
  await learner.log.flush();
  const all = await generated(learner, asked, options);
  const sum = (of: (each: GeneratedTrajectory) => number): number => all.reduce((count, each) => count + of(each), 0);
  return {
    tasks: asked.length,
    sameQuestion: tasks.length - asked.length,
    there: there.length,
    trajectories: all.length,
    steps: sum(({ steps }) => steps),
    calls: sum(({ calls }) => calls),
    failures: failed.all,
    lastFailure: failed.last?.message,
    duplicates: duplicatesIn(all),
  };
}

/** Undefined where it went well. A server that has too much, or is away, is asked again after a while. */
async function triedAgain(pacing: Pacing, work: () => Promise<void>): Promise<GyreError | undefined> {
  for (let tried = 1; ; tried += 1) {
    try {
      await pacing.do(work);
      pacing.wentWell();
      return undefined;
    } catch (thrown) {
      const fault = asGyreError(thrown);
      const passes = fault.side === 'engine' && (fault.status === 429 || fault.status >= 500);
      if (!passes || tried >= TRIES) return fault;
      pacing.tooMuch(fault.retryAfterMs);
    }
  }
}

/** Those that are there of what is asked for, in whichever run they were made. */
async function generated(
  learner: Learner,
  tasks: readonly Task[],
  options: GenerateOptions,
): Promise<readonly GeneratedTrajectory[]> {
  const marks = new Map(tasks.map((task) => [task.id, markOf(learner, task, options)]));
  const all = await learner.rows.tasks.generated([...marks.keys()], options.since ?? 0);
  return all.filter(({ taskId, mark }) => marks.get(taskId) === mark);
}

/** What lacks of so many of each. Once around, and then again: where it is stopped every task has some. */
function missingOf(tasks: readonly Task[], there: readonly GeneratedTrajectory[], each: number): readonly Task[] {
  const counts = new Map<string, number>();
  for (const { taskId } of there) counts.set(taskId, (counts.get(taskId) ?? 0) + 1);
  return Array.from({ length: each }, (_, round) => tasks.filter(({ id }) => (counts.get(id) ?? 0) <= round)).flat();
}

function howOf(learner: Learner, task: Task, options: GenerateOptions): AttemptOptions {
  const { version, teacher, steps, tools } = options;
  const sampling = { temperature: learner.config['learning.temperature'] };
  return { version, origin: 'generate', sampling, teacher, steps, tools, mark: markOf(learner, task, options) };
}

/** Who is asked what, with which tools, in how many steps, how warm. */
function markOf({ config }: Learner, task: Task, { version, teacher, steps, tools }: GenerateOptions): string {
  const who = teacher === undefined ? version : `${teacher.host} ${teacher.model}`;
  const most = steps ?? capOf(task) ?? config['limits.steps'];
  const offered = tools ?? task.tools ?? config['tools.default'];
  return sha256(canonicalJson([who, taskSetHash([task]), most, offered, config['learning.temperature']])).slice(3, 19);
}

function duplicatesIn(all: readonly GeneratedTrajectory[]): Generation['duplicates'] {
  const first = new Map<string, string>();
  return all.flatMap(({ id, taskId, said }) => {
    const key = `${taskId} ${said}`;
    const of = first.get(key);
    if (of === undefined) first.set(key, id);
    return of === undefined ? [] : [{ id, taskId, of }];
  });
}
