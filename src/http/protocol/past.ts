/** What was said earlier to one caller: never to another. */
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Reading } from '../../core/reading.js';
import type { Seal } from './seal.js';

export class Past {
  readonly #reading: Pick<Reading, 'conversation' | 'answer'>;
  readonly #keyId: string;
  readonly #seal: Seal | undefined;

  constructor(reading: Pick<Reading, 'conversation' | 'answer'>, keyId: string, seal?: Seal) {
    this.#reading = reading;
    this.#keyId = keyId;
    this.#seal = seal;
  }

  /** Whether a text that comes back is, word for word, what this installation signed. */
  signed(signature: string, text: string): boolean {
    return this.#seal?.isOf(signature, text) ?? false;
  }

  /** The conversation up to and with an answer; undefined when there is no such answer. */
  conversation(responseId: string): readonly Message[] | undefined {
    return this.#reading.conversation(this.#keyId, responseId);
  }

  /** An answer alone. */
  answer(responseId: string): AssistantMessage | undefined {
    return this.#reading.answer(this.#keyId, responseId);
  }
}
