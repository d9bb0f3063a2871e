/**
 * The threads that read rows for a running gateway, so that its own does no work of SQLite: one for what answers wait
 * for, one for what may take its time, one that counts, and one for what waits for locks. None waits for another.
 */
import type { Config } from '../../core/config.js';
import { type Ask, laneOf, type Lane, type Result } from './calls.js';
import { Reader } from './reader.js';

export interface Readers {
  readonly ask: Ask;
  /** Starts the threads that a client would otherwise wait for. */
  warm(): void;
  /** Resolves when all of them have closed the store. */
  close(): Promise<void>;
}

/** Readers never wait for a lock, but for a moment where the log begins anew. */
const BUSY_MS: Readonly<Record<Lane, number>> = { answering: 1_000, reading: 1_000, counting: 1_000, writing: 10_000 };

export function openReaders(config: Config, module: string, warn: (text: string) => void): Readers {
  const reader = (lane: Lane): Reader => new Reader({ config, module, warn, busyMs: BUSY_MS[lane] });
  const readers: Readonly<Record<Lane, Reader>> = {
    answering: reader('answering'),
    reading: reader('reading'),
    counting: reader('counting'),
    writing: reader('writing'),
  };
  return {
    ask: (name, args, signal) => readers[laneOf(name)].ask(name, args, signal) as Promise<Result<typeof name>>,
    warm: () => readers.reading.warm(),
    async close() {
      await Promise.all(Object.values(readers).map((each) => each.close()));
    },
  };
}
