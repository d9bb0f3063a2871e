/**
 * A keyed hash over a text that leaves the gateway and comes back: whether it is, word for word, what this installation
 * said. Nothing is kept for it but one secret of the data folder.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Names the format, so that a later one is not taken for a forgery of this. */
const PREFIX = 'gyre1.';

export class Seal {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  of(text: string): string {
    return PREFIX + createHmac('sha256', this.#secret).update(text).digest('base64url');
  }

  isOf(signature: string, text: string): boolean {
    const [given, right] = [Buffer.from(signature), Buffer.from(this.of(text))];
    return given.length === right.length && timingSafeEqual(given, right);
  }
}
