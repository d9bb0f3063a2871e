/**
 * The serving process follows the decision rows, whoever wrote them: its own cycle, or another process's
 * `gyre promote`. Everything it does can be done again.
 */
import { reasonOf } from '../core/errors.js';
import { type Adapters, type Alias, flip } from '../promote/swap.js';
import type { Db } from '../store/file/db.js';
import { allVersions } from '../store/learning/versions.js';
import { decisionsOf, headVersion, servingVersion } from '../store/learning/decisions.js';
import { weightsRemoved } from '../store/learning/weights.js';
import { Tidying } from './tidying.js';

/** How often decisions of other processes are looked for. */
const POLL_MS = 1_000;

export interface Following {
  readonly db: Db;
  readonly alias: Alias;
  readonly adapters: Adapters;
  /** Called with each version that exists and has its weights, so that `gyre@N` can be asked for. */
  readonly known: (version: number) => void;
  /** Called with a version whose weights are gone. */
  readonly gone?: ((version: number) => void) | undefined;
  readonly failed: (message: string) => void;
  /** Called after every flip of the alias, with the seconds that loading the adapter took. */
  readonly flipped?: ((from: number, to: number, seconds: number) => void) | undefined;
}

export interface Follower {
  /** Reads the rows now; resolves when serving is what they say, or the failure is reported. */
  check(): Promise<void>;
  stop(): void;
}

export function follow({ db, alias, adapters, known, gone, failed, flipped }: Following): Follower {
  let busy: Promise<void> = Promise.resolve();
  const kept = (): Set<number> => new Set([alias.version, headVersion(db), ...previous(db)]);
  const tidying = new Tidying({ db, alias, adapters, gone, kept });
  let said = '';
  /** A fault that stays is told once. */
  const fail = (message: string): void => {
    if (message !== said) failed((said = message));
  };
  const once = async (): Promise<void> => {
    try {
      const removed = weightsRemoved(db);
      const all = allVersions(db)
        .map((version) => version.version)
        .filter((version) => !removed.has(version));
      all.forEach(known);
      const target = servingVersion(db);
      if (target !== alias.version) {
        const from = alias.version;
        const seconds = await flip(alias, adapters, target);
        flipped?.(from, target, seconds);
        said = '';
      }
      // Draining may take as long as the longest answer: it must not hold up the next flip.
      tidying.check(all).catch((thrown: unknown) => {
        fail(`could not unload a retired version: ${reasonOf(thrown)}`);
      });
    } catch (thrown) {
      fail(`serving stays at version ${alias.version}: ${reasonOf(thrown)}`);
    }
  };
  const check = (): Promise<void> => (busy = busy.then(once));
  const timer = setInterval(() => void check(), POLL_MS);
  timer.unref();
  return { check, stop: () => clearInterval(timer) };
}

/** The version that served before this one: kept loaded so that going back is immediate. */
function previous(db: Db): number[] {
  return decisionsOf(db, 100)
    .filter((decision) => decision.kind === 'promotion' || decision.kind === 'rollback')
    .slice(0, 1)
    .flatMap((decision) => (decision.against === undefined ? [] : [decision.against]));
}
