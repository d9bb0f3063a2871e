/**
 * The serving process follows the decision rows, whoever wrote them: its own cycle, or another process's
 * `gyre promote`. Everything it does can be done again.
 */
import { reasonOf } from '../core/errors.js';
import { type Adapters, type Alias, flip, retire } from '../promote/swap.js';

/** How often decisions of other processes are looked for. */
const POLL_MS = 1_000;

/** What the rows say of versions. */
export interface Followed {
  readonly versions: readonly number[];
  readonly serving: number;
  readonly head: number;
  /** What served before: kept loaded so that going back is immediate. */
  readonly previous: readonly number[];
}

/** Where nothing but the engine's own model is served. */
export const NONE_FOLLOWED: Followed = { versions: [], serving: 0, head: 0, previous: [] };

export interface Following {
  readonly rows: () => Promise<Followed>;
  readonly alias: Alias;
  readonly adapters: Adapters;
  /** Called with each version that exists, so that `gyre@N` can be asked for. */
  readonly known: (version: number) => void;
  readonly failed: (message: string) => void;
  /** Called after every flip of the alias, with the seconds that loading the adapter took. */
  readonly flipped?: ((from: number, to: number, seconds: number) => void) | undefined;
}

export interface Follower {
  /** Reads the rows now; resolves when serving is what they say, or the failure is reported. */
  check(): Promise<void>;
  stop(): void;
}

export function follow({ rows, alias, adapters, known, failed, flipped }: Following): Follower {
  let busy: Promise<void> = Promise.resolve();
  const kept = async (): Promise<ReadonlySet<number>> => keptOf(alias, await rows());
  const once = async (): Promise<void> => {
    try {
      const followed = await rows();
      followed.versions.forEach(known);
      const target = followed.serving;
      if (target === alias.version) return;
      const from = alias.version;
      const seconds = await flip(alias, adapters, target);
      flipped?.(from, target, seconds);
      const keep = keptOf(alias, followed);
      const idle = followed.versions.filter((version) => !keep.has(version));
      // Draining may take as long as the longest answer: it must not hold up the next flip.
      retire(alias, adapters, idle, kept).catch((thrown: unknown) => {
        failed(`could not unload a retired version: ${reasonOf(thrown)}`);
      });
    } catch (thrown) {
      failed(`serving stays at version ${alias.version}: ${reasonOf(thrown)}`);
    }
  };
  let stopped = false;
  const check = (): Promise<void> => (busy = busy.then(() => (stopped ? undefined : once())));
  let due = true;
  const timer = setInterval(() => {
    // Rows that come late are asked for again when they have come.
    if (!due) return;
    due = false;
    void check().finally(() => (due = true));
  }, POLL_MS);
  timer.unref();
  return {
    check,
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

function keptOf({ version }: Alias, { head, previous }: Followed): ReadonlySet<number> {
  return new Set([version, head, ...previous]);
}
