/**
 * The serving process follows the decision rows, whoever wrote them: its own cycle, or another process's
 * `gyre promote`. Everything it does can be done again.
 */
import { reasonOf } from '../../core/errors.js';
import type { ServedCanary } from '../../core/judging/live.js';
import type { Followed } from '../../core/learning/version.js';
import { type Adapters, type Alias, flip } from '../../promote/swap.js';
import { Tidying } from './tidying.js';

/** How often decisions of other processes are looked for. */
const POLL_MS = 1_000;

export interface Following {
  readonly rows: () => Promise<Followed>;
  readonly alias: Alias;
  readonly adapters: Adapters;
  /** Called with each version that exists and has its weights, so that `gyre@N` can be asked for. */
  readonly known: (version: number) => void;
  /** Called with a version whose weights are gone. */
  readonly gone?: ((version: number) => void) | undefined;
  /** Keeps on record that a version's weights are gone, and why. */
  readonly removed: (version: number, reason: string) => Promise<void>;
  readonly failed: (message: string) => void;
  /** Called at each look: which version answers a share of the conversations, if one does. */
  readonly canary?: ((canary: ServedCanary | undefined) => void) | undefined;
  /** Called after every flip of the alias, with the seconds that loading the adapter took. */
  readonly flipped?: ((from: number, to: number, seconds: number) => void) | undefined;
}

export interface Follower {
  /** Reads the rows now; resolves when serving is what they say, or the failure is reported. */
  check(): Promise<void>;
  stop(): void;
}

export function follow({ rows, alias, adapters, known, canary, gone, removed, failed, flipped }: Following): Follower {
  let busy: Promise<void> = Promise.resolve();
  const tidying = new Tidying({ rows, alias, adapters, gone, removed });
  let said = '';
  /** The canary whose weights are loaded: until they are it answers nobody. */
  let begun: string | undefined;
  /** A fault that stays is told once. */
  const fail = (message: string): void => {
    if (message !== said) failed((said = message));
  };
  const once = async (): Promise<void> => {
    try {
      const followed = await rows();
      followed.versions.forEach(known);
      const target = followed.serving;
      if (target !== alias.version) {
        const from = alias.version;
        const seconds = await flip(alias, adapters, target);
        flipped?.(from, target, seconds);
        said = '';
      }
      if (followed.canary !== undefined && followed.canary.id !== begun) {
        await adapters.load(followed.canary.version);
        begun = followed.canary.id;
      }
      canary?.(followed.canary);
      // Draining may take as long as the longest answer: it must not hold up the next flip.
      tidying.check(followed).catch((thrown: unknown) => {
        fail(`could not unload a retired version: ${reasonOf(thrown)}`);
      });
    } catch (thrown) {
      fail(`serving stays at version ${alias.version}: ${reasonOf(thrown)}`);
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
