/** Messages on their way into the intake; where neither it nor the database can be written, they wait here. */

/** What is known of a message beside its text. */
export interface About {
  readonly recording: number;
  readonly ends: boolean;
  /** The end of an answer that gets a number when it is written or sent: numbers are in the order of commits. */
  readonly numbered: boolean;
  /** The answer so far as its client has it, in any of its forms. */
  readonly answerText: string | undefined;
  readonly resolve: ((kept: boolean) => void) | undefined;
}

/** A message as JSON text. A class, since there are several for each request: its fields stand where they always do. */
export class UnwrittenMessage {
  readonly recording: number;
  readonly ends: boolean;
  readonly numbered: boolean;
  readonly answerText: string | undefined;
  resolve: ((kept: boolean) => void) | undefined;
  /** Empty for a very large one. */
  readonly text: string;
  /** The text of a very large one. */
  readonly bytes: readonly Buffer[] | undefined;
  /** Characters of the text, or bytes. */
  readonly length: number;
  /** It is written, sent or dropped. */
  gone = false;

  constructor({ recording, ends, numbered, answerText, resolve }: About, json: string | readonly Buffer[]) {
    this.recording = recording;
    this.ends = ends;
    this.numbered = numbered;
    this.answerText = answerText;
    this.resolve = resolve;
    this.text = typeof json === 'string' ? json : '';
    this.bytes = typeof json === 'string' ? undefined : json;
    this.length = typeof json === 'string' ? json.length : json.reduce((sum, { length }) => sum + length, 0);
  }
}

/** A longer message has a line of its own, so that it need not be kept where its line can be read. */
export const LARGE_CHARS = 64 * 1024;
/** Characters that wait at most. */
const MAX_CHARS = 32 * 1024 * 1024;

export class Held {
  /** A list that is begun anew each time: an old Set that changes leaves tables behind that keep what was in them. */
  #messages: UnwrittenMessage[] = [];
  #chars = 0;
  /** Recordings that were dropped and have no end yet: the rest of them is dropped, too. */
  readonly #dropped = new Set<number>();

  get chars(): number {
    return this.#chars;
  }

  get answers(): number {
    return this.#messages.filter(({ ends }) => ends).length;
  }

  get newest(): UnwrittenMessage | undefined {
    return this.#messages.at(-1);
  }

  add(message: UnwrittenMessage): void {
    if (this.#dropped.has(message.recording)) {
      if (message.ends) this.#dropped.delete(message.recording);
      message.resolve?.(false);
      return;
    }
    this.#messages.push(message);
    this.#chars += message.length;
  }

  has(message: UnwrittenMessage): boolean {
    return !message.gone;
  }

  /** All of them, in pieces of about so many characters. */
  lines(maxChars: number): readonly (readonly UnwrittenMessage[])[] {
    if (this.#chars <= Math.min(maxChars, LARGE_CHARS)) return this.#messages.length === 0 ? [] : [this.#messages];
    const lines: UnwrittenMessage[][] = [];
    let chars = Number.POSITIVE_INFINITY;
    for (const message of this.#messages) {
      const { length } = message;
      if (length > LARGE_CHARS || chars + length > maxChars) {
        lines.push([]);
        chars = 0;
      }
      chars = length > LARGE_CHARS ? Number.POSITIVE_INFINITY : chars + length;
      lines.at(-1)?.push(message);
    }
    return lines;
  }

  /** They are written or sent. */
  remove(messages: readonly UnwrittenMessage[]): void {
    for (const message of messages) {
      if (message.gone) continue;
      message.gone = true;
      this.#chars -= message.length;
    }
    this.#messages = messages === this.#messages ? [] : this.#messages.filter(({ gone }) => !gone);
  }

  /** Nobody waits for them any longer; they are kept all the same. */
  letGo(): void {
    for (const message of this.#messages) {
      message.resolve?.(false);
      message.resolve = undefined;
    }
  }

  /** Drops the newest recordings that are more than may wait. Says how many. */
  bound(): number {
    let lost = 0;
    while (this.#chars > MAX_CHARS) {
      const newest = this.#messages.at(-1)?.recording ?? 0;
      const gone = this.#messages.filter(({ recording }) => recording === newest);
      this.remove(gone);
      for (const message of gone) message.resolve?.(false);
      if (!gone.some(({ ends }) => ends)) this.#dropped.add(newest);
      lost += 1;
    }
    return lost;
  }
}
