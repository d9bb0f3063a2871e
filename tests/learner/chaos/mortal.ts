/** A learning clock whose process dies at a chosen row: nothing that it does after that happens. */
import { setMaxListeners } from 'node:events';

import type Database from 'better-sqlite3';

import type { LearningStore } from '../../../src/core/ports.js';
import type { Learner } from '../../../src/learner/deps.js';

/** Which of the writes it dies at, from 1, and whether that one is still done; or from which on the disk is full. */
export type Death = { readonly write: number } & ({ readonly done: boolean } | { readonly full: true });

export interface Mortal {
  readonly learner: Learner;
  /** What it wrote, by the names of the verbs. */
  readonly wrote: readonly string[];
  readonly dead: () => boolean;
}

type Verb = (...args: readonly unknown[]) => unknown;

/** `death` undefined: it lives, and its writes are counted. */
export function mortal(learner: Learner, sqlite: Database.Database, death?: Death): Mortal {
  const dying = new AbortController();
  const wrote: string[] = [];
  const end = (): never => {
    dying.abort(new Error('the process was killed'));
    throw dying.signal.reason;
  };
  const changes = sqlite.prepare<[], { n: number }>('SELECT total_changes() AS n');
  const written = (): number => changes.get()?.n ?? 0;

  /** A verb's rows are there when its promise is made, so that they can be taken back as a crash does. */
  const once = (name: string, verb: () => unknown): unknown => {
    if (dying.signal.aborted) return end();
    const before = written();
    sqlite.exec('SAVEPOINT dying');
    let given: unknown;
    try {
      given = verb();
    } finally {
      const wrotes = written() !== before;
      if (wrotes) wrote.push(name);
      const full = death !== undefined && 'full' in death && wrotes && wrote.length >= death.write;
      const dies = death !== undefined && 'done' in death && wrotes && wrote.length === death.write;
      if (full || (dies && !death.done)) sqlite.exec('ROLLBACK TO dying');
      sqlite.exec('RELEASE dying');
      if (full || dies) {
        if (given instanceof Promise) given.catch(() => undefined);
        if (full) throw new Error('the disk is full');
        end();
      }
    }
    return given;
  };

  const rows = new Proxy(learner.rows, {
    get: (store, noun: keyof LearningStore) => {
      const verbs: unknown = store[noun];
      // The lock is let go with the process: its holder is known to be gone.
      if (typeof verbs !== 'object' || noun === 'lock') return verbs;
      return new Proxy(verbs as Record<string, Verb>, {
        get:
          (of, verb: string) =>
          async (...args: readonly unknown[]) =>
            once(`${noun}.${verb}`, () => of[verb]?.(...args)),
      });
    },
  });
  const signal = AbortSignal.any([learner.signal, dying.signal]);
  setMaxListeners(0, signal);
  return {
    learner: Object.create(learner, {
      rows: { value: rows },
      signal: { value: signal },
    }) as Learner,
    wrote,
    dead: () => dying.signal.aborted,
  };
}
