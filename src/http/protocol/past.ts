/** What was said earlier to one caller: never to another. */
import type { AssistantMessage } from '../../core/message.js';
import type { Conversation, Reading } from '../../core/reading.js';
import type { Seal } from './seal.js';

type Remembered = Pick<Reading, 'conversation' | 'answer' | 'withdrawn'>;

export class Past {
  readonly #reading: Remembered;
  readonly #keyId: string;
  readonly #seal: Seal | undefined;

  constructor(reading: Remembered, keyId: string, seal?: Seal) {
    this.#reading = reading;
    this.#keyId = keyId;
    this.#seal = seal;
  }

  /** Whether a text that comes back is, word for word, what this installation signed. */
  signed(signature: string, text: string): boolean {
    return this.#seal?.isOf(signature, text) ?? false;
  }

  /** The conversation up to and with an answer; undefined when there is no such answer. */
  conversation(responseId: string): Conversation | undefined {
    return this.#reading.conversation(this.#keyId, responseId);
  }

  /** Whether the answer was deleted since it was given. */
  withdrawn(responseId: string): boolean {
    return this.#reading.withdrawn(responseId);
  }

  /** An answer alone. */
  answer(responseId: string): AssistantMessage | undefined {
    return this.#reading.answer(this.#keyId, responseId);
  }
}
