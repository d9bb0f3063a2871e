/** Messages on their way into the intake; where neither it nor the database can be written, they wait here. */

/** A message as JSON text. */
export interface UnwrittenMessage {
  readonly recording: number;
  readonly text: string;
  readonly ends: boolean;
  /** Of an answer that ends. */
  readonly number: number | undefined;
  /** The answer so far as its client has it, in any of its forms. */
  readonly answerText: string | undefined;
  readonly resolve: ((kept: boolean) => void) | undefined;
}

/** Characters that wait at most. */
const MAX_CHARS = 32 * 1024 * 1024;

export class Held {
  #messages: UnwrittenMessage[] = [];
  #chars = 0;
  /** Recordings that were dropped and have no end yet: the rest of them is dropped, too. */
  readonly #dropped = new Set<number>();

  get size(): number {
    return this.#messages.length;
  }

  get chars(): number {
    return this.#chars;
  }

  get answers(): number {
    return this.#messages.filter(({ ends }) => ends).length;
  }

  add(message: UnwrittenMessage): void {
    if (this.#dropped.has(message.recording)) {
      if (message.ends) this.#dropped.delete(message.recording);
      message.resolve?.(false);
      return;
    }
    this.#messages.push(message);
    this.#chars += message.text.length;
  }

  /** The first messages, as many as have together about so many characters. */
  next(maxChars: number): readonly UnwrittenMessage[] {
    let [count, chars] = [0, 0];
    for (const { text } of this.#messages) {
      if (count > 0 && chars + text.length > maxChars) break;
      count += 1;
      chars += text.length;
    }
    return count === this.#messages.length ? this.#messages : this.#messages.slice(0, count);
  }

  /** So many of the first messages are written or sent. */
  taken(count: number): void {
    for (const { text } of this.#messages.slice(0, count)) this.#chars -= text.length;
    this.#messages = this.#messages.slice(count);
  }

  /** Nobody waits for them any longer; they are kept all the same. */
  letGo(): void {
    this.#messages = this.#messages.map((message) => {
      message.resolve?.(false);
      return { ...message, resolve: undefined };
    });
  }

  /** Drops the newest recordings that are more than may wait. Says how many, and how many of them have a number. */
  bound(): { readonly lost: number; readonly numbered: number } {
    let [lost, numbered] = [0, 0];
    while (this.#chars > MAX_CHARS) {
      const newest = this.#messages.at(-1)?.recording ?? 0;
      const gone = this.#messages.filter(({ recording }) => recording === newest);
      this.#messages = this.#messages.filter(({ recording }) => recording !== newest);
      for (const message of gone) {
        this.#chars -= message.text.length;
        if (message.number !== undefined) numbered += 1;
        message.resolve?.(false);
      }
      if (!gone.some(({ ends }) => ends)) this.#dropped.add(newest);
      lost += 1;
    }
    return { lost, numbered };
  }
}
