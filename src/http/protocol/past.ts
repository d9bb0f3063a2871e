/** What was said earlier to one caller: never to another. */
import type { AssistantMessage } from '../../core/message.js';
import type { Conversation, Reading } from '../../core/reading.js';

export class Past {
  readonly #reading: Pick<Reading, 'conversation' | 'answer'>;
  readonly #keyId: string;

  constructor(reading: Pick<Reading, 'conversation' | 'answer'>, keyId: string) {
    this.#reading = reading;
    this.#keyId = keyId;
  }

  /** The conversation up to and with an answer; undefined when there is no such answer. */
  conversation(responseId: string): Conversation | undefined {
    return this.#reading.conversation(this.#keyId, responseId);
  }

  /** An answer alone. */
  answer(responseId: string): AssistantMessage | undefined {
    return this.#reading.answer(this.#keyId, responseId);
  }
}
