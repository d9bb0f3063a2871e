/**
 * What one connection was answered last, in each of its lanes: it may be gone on from there even where the log may not
 * give it back (`store: false`), and before the log has committed it.
 */
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Conversation, Reading } from '../../core/reading.js';
import { type Earlier, Past, type Refers } from '../protocol/past.js';

/** Lanes of a connection that are remembered, and bytes of them; the one that was silent longest is forgotten. */
const MAX_LANES = 8;
const CONNECTION_BYTES = 16 * 1024 * 1024;
/** Bytes that all connections remember together. */
const ALL_BYTES = 64 * 1024 * 1024;

/** What all connections remember together: where it is too much, what was said longest ago is forgotten first. */
export class Remembered {
  readonly #most: number;
  readonly #kept = new Map<Kept, () => void>();
  #bytes = 0;

  constructor(most = ALL_BYTES) {
    this.#most = most;
  }

  /** `forget` is called where others need the room. */
  add(kept: Kept, forget: () => void): void {
    this.#kept.set(kept, forget);
    this.#bytes += kept.bytes;
    for (const [oldest, forgetIt] of this.#kept) {
      if (this.#bytes <= this.#most) return;
      this.delete(oldest);
      forgetIt();
    }
  }

  delete(kept: Kept): void {
    if (this.#kept.delete(kept)) this.#bytes -= kept.bytes;
  }
}

export class Memory {
  readonly #kept = new Map<string, Kept>();
  readonly #remembered: Remembered;
  #over = false;

  constructor(remembered: Remembered) {
    this.#remembered = remembered;
  }

  has(id: unknown): boolean {
    return this.#find(id) !== undefined;
  }

  /** `previous` is the answer it went on from. */
  keep(lane: string, id: string, messages: readonly Message[], asked: Conversation['asked'], previous: unknown): void {
    const before = this.#find(previous)?.answers ?? (typeof previous === 'string' ? [previous] : []);
    const answers = [...before, id];
    this.#drop(lane);
    const kept = { id, messages, asked, answers, bytes: weightOf([messages, asked, answers]) };
    if (this.#over || kept.bytes > CONNECTION_BYTES) return;
    this.#kept.set(lane, kept);
    this.#remembered.add(kept, () => this.#kept.delete(lane));
    let bytes = 0;
    for (const each of this.#kept.values()) bytes += each.bytes;
    for (const [oldest, each] of this.#kept) {
      if (this.#kept.size <= MAX_LANES && bytes <= CONNECTION_BYTES) return;
      this.#drop(oldest);
      bytes -= each.bytes;
    }
  }

  forget(id: unknown): void {
    for (const [lane, kept] of this.#kept) if (kept.id === id) this.#drop(lane);
  }

  /** The connection is over. */
  clear(): void {
    this.#over = true;
    for (const lane of [...this.#kept.keys()]) this.#drop(lane);
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
    for (const [lane, kept] of this.#kept) if (kept.answers.some((answer) => gone.includes(answer))) this.#drop(lane);
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

  #drop(lane: string): void {
    const kept = this.#kept.get(lane);
    if (kept === undefined) return;
    this.#kept.delete(lane);
    this.#remembered.delete(kept);
  }

  #find(id: unknown): Kept | undefined {
    return [...this.#kept.values()].find((kept) => kept.id === id);
  }
}

interface Kept extends Conversation {
  readonly id: string;
  /** Every answer in it that was given on this connection or gone on from by its id. */
  readonly answers: readonly string[];
  readonly bytes: number;
}

/** About how many bytes a value takes in memory. */
function weightOf(value: unknown): number {
  if (typeof value === 'string') return 2 * value.length + 16;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 64;
  for (const each of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) bytes += weightOf(each);
  return bytes;
}

function answerOf(conversation: Conversation | undefined): AssistantMessage | undefined {
  const last = conversation?.messages.at(-1);
  return last?.role === 'assistant' ? last : undefined;
}
