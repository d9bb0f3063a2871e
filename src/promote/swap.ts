/**
 * The two halves of a swap: load the new adapter and point the alias `gyre` at it for new requests; then wait until the
 * old version's last request has ended, and unload it. A failed load changes nothing. Requests keep the version they
 * began with, so none is dropped.
 */

/** The alias and the in-flight counts, as the gateway keeps them. */
export interface Alias {
  readonly version: number;
  setServing(version: number): void;
  /** Resolves when no request holds the version any more. */
  drained(version: number): Promise<void>;
}

/** Who loads adapters into the engine and remembers them across its restarts. Both verbs are idempotent. */
export interface Adapters {
  load(version: number): Promise<unknown>;
  unload(version: number): Promise<unknown>;
  /** Those that the engine holds; undefined while nobody can be asked. */
  loaded(): Promise<readonly number[] | undefined>;
  /** Removes a version's weights from the disk for good. */
  remove(version: number): Promise<unknown>;
}

/** Flips the alias to `target`. Returns the seconds from the call to the flip. */
export async function flip(alias: Alias, adapters: Adapters, target: number): Promise<number> {
  const began = performance.now();
  if (target !== 0) await adapters.load(target);
  alias.setServing(target);
  return (performance.now() - began) / 1000;
}

/**
 * Unloads each of `versions` once it is drained, unless it serves again by then. Version 0 is the engine's own model.
 */
export async function retire(
  alias: Alias,
  adapters: Adapters,
  versions: readonly number[],
  keep: () => Promise<ReadonlySet<number>>,
): Promise<number[]> {
  const gone: number[] = [];
  for (const version of versions) {
    if (version === 0) continue;
    await alias.drained(version);
    if ((await keep()).has(version) || version === alias.version) continue;
    await adapters.unload(version);
    gone.push(version);
  }
  return gone;
}
