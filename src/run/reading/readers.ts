/**
 * The threads that read rows for a running gateway, so that its own does no work of SQLite: one for what answers wait
 * for, one for what may take its time, one that counts, and one for what waits for locks. None waits for another.
 */
import type { Config } from '../../core/config.js';
import { type Ask, laneOf, type Lane, type Result } from './calls.js';
import { Reader, type ReaderOptions } from './reader.js';

export interface Readers {
  readonly ask: Ask;
  /** Starts the threads that a client would otherwise wait for. */
  warm(): void;
  /** Resolves when all of them have closed the store. */
  close(): Promise<void>;
}

type LaneOptions = Pick<ReaderOptions, 'busyMs' | 'niceness' | 'maxWaiting' | 'patienceMs'>;

/**
 * What only reads waits for no lock, but for a moment where the log begins anew; what counts can wait. What answers
 * wait for is short, and as many may want it as may be answered. No disk that hangs holds a request for longer.
 */
const LANES: Readonly<Record<Lane, LaneOptions>> = {
  answering: { busyMs: 1_000, niceness: 0, maxWaiting: 10_000, patienceMs: 30_000 },
  reading: { busyMs: 1_000, niceness: 0, maxWaiting: 256, patienceMs: 120_000 },
  counting: { busyMs: 1_000, niceness: 10, maxWaiting: 256, patienceMs: 120_000 },
  writing: { busyMs: 10_000, niceness: 0, maxWaiting: 256, patienceMs: 120_000 },
};

export function openReaders(config: Config, module: string, warn: (text: string) => void): Readers {
  const reader = (lane: Lane): Reader => new Reader({ config, module, warn, ...LANES[lane] });
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
