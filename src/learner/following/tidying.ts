/**
 * Versions that nobody needs any more: out of the engine as soon as nothing is answered by them, and off the disk where
 * the rule of `keptWeights` does not keep them. Looked at when something was decided or trained, and now and then,
 * because whoever asks `gyre@N` has it loaded again.
 */
import type { Followed } from '../../core/learning/version.js';
import { type Adapters, type Alias, retire } from '../../promote/swap.js';

/** So often where nothing has changed. */
const EVERY_MS = 60_000;

interface TidyingDeps {
  readonly rows: () => Promise<Followed>;
  readonly alias: Alias;
  readonly adapters: Adapters;
  /** Called with a version whose weights are gone. */
  readonly gone: ((version: number) => void) | undefined;
  /** Keeps on record that they are, and why. */
  readonly removed: (version: number, reason: string) => Promise<void>;
}

export class Tidying {
  readonly #deps: TidyingDeps;
  #looked = '';
  #next = 0;
  #busy = false;

  constructor(deps: TidyingDeps) {
    this.#deps = deps;
  }

  /** Rejects where the trainer cannot do it; then it is tried again. */
  async check(followed: Followed): Promise<void> {
    const state = `${followed.versions.join()} ${[...this.#kept(followed)].join()}`;
    if (this.#busy || (state === this.#looked && performance.now() < this.#next)) return;
    this.#busy = true;
    this.#looked = state;
    this.#next = performance.now() + EVERY_MS;
    try {
      await this.#tidy(followed.versions);
    } finally {
      this.#busy = false;
    }
  }

  /** Versions that the engine is to hold. */
  #kept({ head, previous, canary }: Followed): ReadonlySet<number> {
    return new Set([this.#deps.alias.version, head, ...previous, ...(canary === undefined ? [] : [canary.version])]);
  }

  async #tidy(versions: readonly number[]): Promise<void> {
    const { rows, alias, adapters, gone, removed } = this.#deps;
    const loaded = versions.length === 0 ? undefined : await adapters.loaded();
    if (loaded === undefined) return;
    // Draining takes as long as the longest answer, and much may be decided meanwhile.
    const kept = async (): Promise<ReadonlySet<number>> => this.#kept(await rows());
    const holds = await kept();
    await retire(
      alias,
      adapters,
      // One without a row is in the making: the trainer has loaded it to look at it.
      loaded.filter((version) => versions.includes(version) && !holds.has(version)),
      kept,
    );
    for (const version of versions) {
      if (version === 0 || (await this.#needs(version))) continue;
      await alias.drained(version);
      if (await this.#needs(version)) continue;
      await adapters.remove(version);
      await removed(version, 'it is neither among those that served last nor among the newest');
      gone?.(version);
    }
  }

  async #needs(version: number): Promise<boolean> {
    const followed = await this.#deps.rows();
    return followed.needed.includes(version) || this.#kept(followed).has(version);
  }
}
