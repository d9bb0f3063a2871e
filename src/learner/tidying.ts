/**
 * Versions that nobody needs any more: out of the engine as soon as nothing is answered by them, and off the disk where
 * the rule of `keptWeights` does not keep them. Looked at when something was decided or trained, and now and then,
 * because whoever asks `gyre@N` has it loaded again.
 */
import { type Adapters, type Alias, retire } from '../promote/swap.js';
import type { Db } from '../store/file/db.js';
import { keptWeights, saveRemovedWeights } from '../store/learning/weights.js';

/** So often where nothing has changed. */
const EVERY_MS = 60_000;

interface TidyingDeps {
  readonly db: Db;
  readonly alias: Alias;
  readonly adapters: Adapters;
  /** Called with a version whose weights are gone. */
  readonly gone: ((version: number) => void) | undefined;
  /** Versions that the engine is to hold. */
  readonly kept: () => ReadonlySet<number>;
}

export class Tidying {
  readonly #deps: TidyingDeps;
  #looked = '';
  #next = 0;
  #busy = false;

  constructor(deps: TidyingDeps) {
    this.#deps = deps;
  }

  /** `versions` are those that have their weights. Rejects where the trainer cannot do it; then it is tried again. */
  async check(versions: readonly number[]): Promise<void> {
    const state = `${versions.join()} ${[...this.#deps.kept()].join()}`;
    if (this.#busy || (state === this.#looked && Date.now() < this.#next)) return;
    this.#busy = true;
    this.#looked = state;
    this.#next = Date.now() + EVERY_MS;
    try {
      await this.#tidy(versions);
    } finally {
      this.#busy = false;
    }
  }

  async #tidy(versions: readonly number[]): Promise<void> {
    const { db, alias, adapters, gone, kept } = this.#deps;
    const loaded = versions.length === 0 ? undefined : await adapters.loaded();
    if (loaded === undefined) return;
    await retire(
      alias,
      adapters,
      loaded.filter((version) => !kept().has(version)),
      kept,
    );
    const needed = keptWeights(db);
    for (const version of versions) {
      if (version === 0 || needed.has(version) || kept().has(version)) continue;
      await alias.drained(version);
      await adapters.remove(version);
      saveRemovedWeights(db, {
        version,
        reason: 'it is neither among those that served last nor among the newest',
        createdAt: Date.now(),
      });
      gone?.(version);
    }
  }
}
