/**
 * What one connection was answered last, in each of its lanes: it may be gone on from there even where the log may not
 * give it back (`store: false`), and before the log has committed it.
 */
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Conversation } from '../../core/reading.js';
import { type Earlier, Past, type Refers } from '../protocol/past.js';

/** Lanes of a connection that are remembered; the one that was silent longest is forgotten. */
const MAX_LANES = 8;

export class Memory {
  readonly #kept = new Map<string, Conversation & { readonly id: string }>();

  has(id: unknown): boolean {
    return [...this.#kept.values()].some((kept) => kept.id === id);
  }

  keep(lane: string, id: string, messages: readonly Message[], asked: Conversation['asked']): void {
    this.#kept.delete(lane);
    this.#kept.set(lane, { id, messages, asked });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_LANES && oldest !== undefined) this.#kept.delete(oldest);
  }

  forget(id: unknown): void {
    for (const [lane, kept] of this.#kept) if (kept.id === id) this.#kept.delete(lane);
  }

  /** Of what a request refers to, that which is not remembered here. */
  others(refers: Refers | undefined): Refers | undefined {
    const answers = refers?.answers.filter((id) => !this.has(id)) ?? [];
    const conversation = this.has(refers?.conversation) ? undefined : refers?.conversation;
    return conversation === undefined && answers.length === 0 ? undefined : { conversation, answers };
  }

  /** The caller's past with this in front of it. */
  before(past: Earlier): Past {
    const find = (id: string): Conversation | undefined => [...this.#kept.values()].find((kept) => kept.id === id);
    return new Past({
      conversation: (id) => find(id) ?? past.conversation(id),
      answer: (id) => answerOf(find(id)) ?? past.answer(id),
    });
  }
}

function answerOf(conversation: Conversation | undefined): AssistantMessage | undefined {
  const last = conversation?.messages.at(-1);
  return last?.role === 'assistant' ? last : undefined;
}
