/**
 * Group commit: all writes added in one turn of the event loop become one transaction, and their promises resolve after
 * its commit. A fault is never thrown: the promise resolves to false, and the failure is counted.
 */
import Database from 'better-sqlite3';

/** What happens around the writes of one transaction. */
export interface Transaction {
  /** Runs inside, before the first write. */
  begin(): void;
  /** Runs inside, after the last write. */
  end(): void;
  /** Runs after the commit or the rollback. */
  settled(committed: boolean): void;
}

export interface Write {
  /** Adds rows; false when there is nothing to add them to. */
  write(): boolean;
  /** Called when the transaction it wrote in was rolled back; `write` may be called again. */
  undone?(): void;
}

interface Entry {
  readonly write: Write;
  readonly done: (committed: boolean) => void;
}

export interface GroupOptions {
  /** Milliseconds a group waits for more writes; 0 means until the end of this turn of the event loop. */
  readonly flushMs: number;
  readonly failed: (reason: unknown) => void;
}

export class GroupCommit {
  /** Writes that failed. */
  failures = 0;
  readonly #run: Database.Transaction<(entries: readonly Entry[]) => boolean[]>;
  readonly #around: Transaction;
  readonly #options: GroupOptions;
  #queue: Entry[] = [];
  #scheduled = false;

  constructor(sqlite: Database.Database, around: Transaction, options: GroupOptions) {
    this.#around = around;
    this.#options = options;
    this.#run = sqlite.transaction((entries: readonly Entry[]) => {
      around.begin();
      const written = entries.map((entry) => entry.write.write());
      around.end();
      return written;
    });
  }

  /** Resolves to whether the write is committed; never rejects. */
  add(write: Write): Promise<boolean> {
    return new Promise((done) => {
      this.#queue.push({ write, done });
      if (this.#scheduled) return;
      this.#scheduled = true;
      const commit = (): void => {
        this.#scheduled = false;
        this.commit();
      };
      if (this.#options.flushMs > 0) setTimeout(commit, this.#options.flushMs);
      else setImmediate(commit);
    });
  }

  /** Commits what is queued, now. */
  commit(): void {
    const entries = this.#queue;
    if (entries.length === 0) return;
    this.#queue = [];
    this.#commit(entries);
  }

  /** Counts a fault that was met before a write could be queued. */
  fail(reason: unknown, count = 1): void {
    this.failures += count;
    this.#options.failed(reason);
  }

  #commit(entries: readonly Entry[]): void {
    let written: boolean[];
    try {
      written = this.#run.immediate(entries);
    } catch (thrown) {
      this.#around.settled(false);
      for (const entry of entries) entry.write.undone?.();
      // One bad row must not take its neighbours with it: each is tried alone. Not for a lock, which is no row's fault.
      if (entries.length > 1 && !isBusy(thrown)) for (const entry of entries) this.#commit([entry]);
      else {
        this.fail(thrown, entries.length);
        for (const entry of entries) entry.done(false);
      }
      return;
    }
    this.#around.settled(true);
    entries.forEach((entry, at) => entry.done(written[at] === true));
  }
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Database.SqliteError && thrown.code.startsWith('SQLITE_BUSY');
}
