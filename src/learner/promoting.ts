/** What an operator decides of the serving version and the head: promotion by hand, the way back, a new start. */
import { GyreError, missing } from '../core/errors.js';
import type { Decision, Version } from '../core/learning/version.js';
import type { DecisionRows, LearningLock, VersionRows } from '../core/ports.js';
import type { Trainer } from '../train/client.js';
import { isGone } from './training.js';

/** Where it is decided: the rows, and who follows them. */
export interface Steering {
  readonly rows: {
    readonly decisions: Pick<DecisionRows, 'promote'>;
    readonly versions: Pick<VersionRows, 'wayBack' | 'waysOn' | 'copied'>;
    readonly lock: LearningLock;
  };
  /** Resolves when serving follows the rows. */
  readonly decided: () => Promise<void>;
}

/** Only a version whose gate passed against what serves now. */
export function promote(steering: Steering, version: number): Promise<Decision> {
  return alone(steering, 'a promotion', () => steering.rows.decisions.promote(version));
}

/**
 * Serves the weights of the version that served before, under a new number. The trainer's head follows when it is free:
 * a copy waits for no update, and whatever is trained meanwhile on what was the head stands beside the new one.
 */
export function rollback(steering: Steering, trainer: Trainer, reason: string): Promise<Version> {
  const { versions } = steering.rows;
  return alone(steering, 'a rollback', async () => {
    const way = await versions.wayBack();
    const version = await copied(trainer, way.version, way.weights);
    return versions.copied({ ...way, version, kind: 'rollback' }, reason);
  });
}

/**
 * Goes on from a version that the trainer has, under a new number: from this one, or from the newest where the head is
 * lost. What served and is lost is replaced by it, too.
 */
export function restart(
  steering: Steering,
  trainer: Trainer,
  from: number | undefined,
  reason: string,
): Promise<Version> {
  const { versions } = steering.rows;
  return alone(steering, 'a restart', async () => {
    const { version: next, head, serving, candidates } = await versions.waysOn();
    if (from !== undefined && from !== 0 && !candidates.includes(from))
      throw missing(
        'version',
        `there is no version ${from} with weights; there are ${[...candidates, 0].join(', ')}`,
        'version',
      );
    const lost: number[] = [];
    const has = async (candidate: number): Promise<boolean> => {
      const there = candidate === 0 || (await isThere(trainer, candidate));
      if (!there && !lost.includes(candidate)) lost.push(candidate);
      return there;
    };
    if (from === undefined && (await has(head))) throw refused('nothing_lost', nothingLost(head));
    const weights = from ?? (await first(candidates, has)) ?? 0;
    if (!(await has(weights)))
      throw refused(
        'weights_lost',
        `the trainer has lost version ${from ?? 0}; without a number it is said which it has`,
      );
    await has(serving);
    const version = await copied(trainer, next, weights);
    return versions.copied({ version, weights, from: head, kind: 'restart', lost }, reason);
  });
}

/** Numbers that are tried: a copy of which nobody has kept a row, because of a crash, may have the first. */
const NUMBERS = 100;

/** The number that the copy has: `next`, or one after it where the trainer has given that to other weights. */
async function copied(trainer: Trainer, next: number, weights: number): Promise<number> {
  for (let version = next; ; version += 1) {
    try {
      await trainer.copyVersion(version, weights, false);
      return version;
    } catch (thrown) {
      const taken = thrown instanceof GyreError && thrown.code === 'version_exists';
      if (!taken || version >= next + NUMBERS) throw thrown;
    }
  }
}

function nothingLost(head: number): string {
  return `the trainer has version ${head}, which is the head; name a version to start again from that one`;
}

async function first(list: readonly number[], is: (each: number) => Promise<boolean>): Promise<number | undefined> {
  for (const each of list) if (await is(each)) return each;
  return undefined;
}

async function isThere(trainer: Trainer, version: number): Promise<boolean> {
  try {
    await trainer.load(version);
    return true;
  } catch (thrown) {
    if (isGone(thrown)) return false;
    throw thrown;
  }
}

/** One of these at a time, on one data folder; then serving follows. */
async function alone<T>({ rows, decided }: Steering, what: string, decide: () => Promise<T>): Promise<T> {
  const release = await rows.lock.take('steering', what);
  const made = await decide().finally(release);
  await decided();
  return made;
}

function refused(code: string, message: string): GyreError {
  return new GyreError({ side: 'client', status: 409, code, message });
}
