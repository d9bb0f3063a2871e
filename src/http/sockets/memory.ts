/**
 * What one connection was answered last, in each of its lanes: it may be gone on from there even where the log may not
 * give it back (`store: false`), and before the log has committed it.
 */
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Conversation, Reading } from '../../core/reading.js';
import { type Earlier, Past, type Refers } from '../protocol/past.js';

/** Lanes of a connection that are remembered; the one that was silent longest is forgotten. */
const MAX_LANES = 8;

export class Memory {
  readonly #kept = new Map<string, Kept>();

  has(id: unknown): boolean {
    return this.#find(id) !== undefined;
  }

  /** `previous` is the answer it went on from. */
  keep(lane: string, id: string, messages: readonly Message[], asked: Conversation['asked'], previous: unknown): void {
    const before = this.#find(previous)?.answers ?? (typeof previous === 'string' ? [previous] : []);
    this.#kept.delete(lane);
    this.#kept.set(lane, { id, messages, asked, answers: [...before, id] });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_LANES && oldest !== undefined) this.#kept.delete(oldest);
  }

  forget(id: unknown): void {
    for (const [lane, kept] of this.#kept) if (kept.id === id) this.#kept.delete(lane);
  }

  /** What was deleted is not remembered either: asks that of whatever a request would be given from here. */
  async forgetWithdrawn(
    refers: Refers | undefined,
    past: Pick<Reading, 'withdrawn'>,
    signal: AbortSignal,
  ): Promise<void> {
    const ids = [refers?.conversation, ...(refers?.answers ?? [])].flatMap((id) => this.#find(id)?.answers ?? []);
    if (ids.length === 0) return;
    const gone = await past.withdrawn([...new Set(ids)], signal);
    for (const [lane, kept] of this.#kept)
      if (kept.answers.some((answer) => gone.includes(answer))) this.#kept.delete(lane);
  }

  /** Of what a request refers to, that which is not remembered here. */
  others(refers: Refers | undefined): Refers | undefined {
    const answers = refers?.answers.filter((id) => !this.has(id)) ?? [];
    const conversation = this.has(refers?.conversation) ? undefined : refers?.conversation;
    return conversation === undefined && answers.length === 0 ? undefined : { conversation, answers };
  }

  /** The caller's past with this in front of it. */
  before(past: Earlier): Past {
    return new Past({
      conversation: (id) => this.#find(id) ?? past.conversation(id),
      answer: (id) => answerOf(this.#find(id)) ?? past.answer(id),
    });
  }

  #find(id: unknown): Kept | undefined {
    return [...this.#kept.values()].find((kept) => kept.id === id);
  }
}

interface Kept extends Conversation {
  readonly id: string;
  /** Every answer in it that was given on this connection or gone on from by its id. */
  readonly answers: readonly string[];
}

function answerOf(conversation: Conversation | undefined): AssistantMessage | undefined {
  const last = conversation?.messages.at(-1);
  return last?.role === 'assistant' ? last : undefined;
}
