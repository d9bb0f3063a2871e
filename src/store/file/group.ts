/**
 * Group commit: all writes added in one turn of the event loop become one transaction, and their promises resolve after
 * its commit. A fault is never thrown. One that passes (a lock, a full disk) keeps the group, which is tried again
 * until it is in; of any other the promise resolves to false, and the failure is counted.
 */
import { dirname } from 'node:path';

import type Database from 'better-sqlite3';

import type { LogWait } from '../../core/log.js';
import { isPassing, passingReason } from './passing.js';

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
  /** Called when it will not be written: its own fault, or the log has waited for as long as it may. */
  refused?(): void;
}

interface Entry {
  readonly write: Write;
  readonly done: (committed: boolean) => void;
}

export interface GroupOptions {
  /** Milliseconds a group waits for more writes; 0 means until the end of this turn of the event loop. */
  readonly flushMs: number;
  readonly failed: (reason: unknown) => void;
  /** Milliseconds a group is kept while a fault passes. */
  readonly patienceMs: number;
  /** Called when it begins to wait for a fault to pass, and with undefined when it has passed. */
  readonly waiting: (wait: LogWait | undefined) => void;
}

/** Between two tries: growing, and never so long that the log is late when a lock ends. */
const BACK_OFF_MS = [25, 50, 100, 200, 400, 800] as const;

export class GroupCommit {
  /** Writes that failed. */
  failures = 0;
  readonly #run: Database.Transaction<(entries: readonly Entry[]) => boolean[]>;
  readonly #around: Transaction;
  readonly #options: GroupOptions;
  readonly #folder: string;
  #queue: Entry[] = [];
  #scheduled = false;
  #wait: LogWait | undefined;
  /** On the clock that only grows. */
  #waitBegan = 0;
  #tries = 0;
  #retry: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(sqlite: Database.Database, around: Transaction, options: GroupOptions) {
    this.#around = around;
    this.#options = options;
    this.#folder = dirname(sqlite.name);
    this.#run = sqlite.transaction((entries: readonly Entry[]) => {
      around.begin();
      const written = entries.map((entry) => entry.write.write());
      around.end();
      return written;
    });
  }

  /** What it waits for, while it does. */
  get wait(): LogWait | undefined {
    return this.#wait;
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

  /** Commits what is queued, now; not while a fault passes: what is queued then is part of the next try. */
  commit(): void {
    if (this.#retry === undefined) this.#tryAll();
  }

  /** Resolves when nothing is queued: all of it is committed or refused. */
  idle(): Promise<void> {
    return this.#queue.length === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Counts a fault that was met before a write could be queued. */
  fail(reason: unknown, count = 1): void {
    this.failures += count;
    this.#options.failed(reason);
  }

  #tryAll(): void {
    const entries = this.#queue;
    this.#queue = [];
    if (entries.length > 0) this.#queue = [...this.#commit(entries), ...this.#queue];
    if (this.#queue.length > 0) return;
    this.#tries = 0;
    if (this.#wait !== undefined) this.#options.waiting((this.#wait = undefined));
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Returns those that have to wait, in their order. */
  #commit(entries: readonly Entry[]): readonly Entry[] {
    let written: boolean[];
    try {
      written = this.#run.immediate(entries);
    } catch (thrown) {
      this.#around.settled(false);
      for (const entry of entries) entry.write.undone?.();
      if (isPassing(thrown)) return this.#passing(thrown, entries);
      // One bad row must not take its neighbours with it: each is tried alone.
      if (entries.length > 1) {
        for (const [at, entry] of entries.entries()) if (this.#commit([entry]).length > 0) return entries.slice(at);
        return [];
      }
      this.#refuse(thrown, entries);
      return [];
    }
    this.#around.settled(true);
    entries.forEach((entry, at) => entry.done(written[at] === true));
    return [];
  }

  #passing(fault: unknown, entries: readonly Entry[]): readonly Entry[] {
    const { patienceMs, waiting } = this.#options;
    const reason = passingReason(fault, this.#folder);
    const known = this.#wait;
    if (known === undefined) this.#waitBegan = performance.now();
    if (known?.reason !== reason) waiting((this.#wait = { since: known?.since ?? Date.now(), reason }));
    if (performance.now() - this.#waitBegan >= patienceMs) {
      this.#refuse(fault, entries);
      return [];
    }
    this.#tries += 1;
    this.#retry ??= setTimeout(
      () => {
        this.#retry = undefined;
        this.#tryAll();
      },
      BACK_OFF_MS[Math.min(this.#tries, BACK_OFF_MS.length) - 1],
    );
    return entries;
  }

  #refuse(fault: unknown, entries: readonly Entry[]): void {
    this.fail(fault, entries.length);
    for (const entry of entries) {
      entry.write.refused?.();
      entry.done(false);
    }
  }
}
