/** The write-ahead log's size as the folding thread tells it, and the operator's warning when it grows. */
import type { WalSize } from '../../core/log.js';

const MIB = 1024 * 1024;
/** Told from this size on, and again at each doubling. */
const WARN_BYTES = 256 * MIB;

export class WalWatch {
  size: WalSize = { bytes: 0, heldUp: 0 };
  readonly #warn: (text: string) => void;
  #warnAt = WARN_BYTES;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  hear(size: WalSize): void {
    this.size = size;
    if (size.bytes < WARN_BYTES) this.#warnAt = WARN_BYTES;
    if (size.bytes < this.#warnAt) return;
    this.#warnAt = size.bytes * 2;
    this.#warn(
      `gyre.db-wal has ${Math.round(size.bytes / MIB)} MiB: a program that reads the database (a backup, a shell in ` +
        'a transaction) keeps it from being folded in; it is folded when that program has ended',
    );
  }
}
