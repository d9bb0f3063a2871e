/** What was said earlier to one caller: never to another. It is looked up before a request is read. */
import type { StepLog } from '../../core/log.js';
import type { AssistantMessage } from '../../core/message.js';
import type { Conversation, Reading } from '../../core/reading.js';
import type { Seal } from './seal.js';

/** The ids of the answers a request refers to. */
export interface Refers {
  /** The one it goes on from. */
  readonly conversation?: string | undefined;
  /** Those it has items of. */
  readonly answers: readonly string[];
}

export interface Earlier {
  /** The conversation up to and with an answer; undefined when there is no such answer. */
  conversation(responseId: string): Conversation | undefined;
  /** An answer alone. */
  answer(responseId: string): AssistantMessage | undefined;
}

export class Past implements Earlier {
  readonly #earlier: Earlier;
  readonly #seal: Seal | undefined;

  constructor(earlier: Earlier = NOTHING, seal?: Seal) {
    this.#earlier = earlier;
    this.#seal = seal;
  }

  /** Whether a text that comes back is, word for word, what this installation signed. */
  signed(signature: string, text: string): boolean {
    return this.#seal?.isOf(signature, text) ?? false;
  }

  conversation(responseId: string): Conversation | undefined {
    return this.#earlier.conversation(responseId);
  }

  answer(responseId: string): AssistantMessage | undefined {
    return this.#earlier.answer(responseId);
  }
}

const NOTHING: Earlier = { conversation: () => undefined, answer: () => undefined };

/** So many answers are asked for at once: others want to look up theirs. */
const AT_ONCE = 100;

/** What a request refers to, of what was said to this key. Everything that was answered is committed first. */
export async function lookBack(
  { past, log }: { readonly past: Pick<Reading, 'conversation' | 'answers'>; readonly log: Pick<StepLog, 'flush'> },
  keyId: string,
  { conversation: goesOnFrom, answers: ids }: Refers,
  signal: AbortSignal,
): Promise<Earlier> {
  await log.flush();
  const answers = new Map<string, AssistantMessage>();
  const wanted = [...new Set(ids)];
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const some = wanted.slice(at, at + AT_ONCE);
    const found = await past.answers(keyId, some, signal);
    for (const [place, answer] of found.entries()) {
      const id = some[place];
      if (id !== undefined && answer !== undefined) answers.set(id, answer);
    }
    // The request will be refused for the one that is not there.
    if (found.includes(undefined)) break;
  }
  const conversation = goesOnFrom === undefined ? undefined : await past.conversation(keyId, goesOnFrom, signal);
  return {
    conversation: (id) => (id === goesOnFrom ? conversation : undefined),
    answer: (id) => answers.get(id),
  };
}
