/**
 * Which states have the question of a held-out task in them: what is learned there would be learned of the task. And
 * which are of conversations of a client that are held out by lot.
 */
import { randomBytes } from 'node:crypto';

import { conversationId, isInShare, openingOf } from '../../core/judging/conversation.js';
import { Questions } from '../../core/learning/questions.js';
import type { Task } from '../../core/learning/task.js';
import { type Message, textOf } from '../../core/message.js';
import type { Hash } from '../../core/text/hash.js';
import { parseJson } from '../../core/text/json.js';
import { prepared, type Db } from '../file/db.js';
import { messageOf, readChain, type StoredMessage } from '../log/chain.js';
import { isAnswer } from '../log/opening.js';

/** Prefixes of conversations that are remembered. */
const REMEMBERED = 100_000;

/** What is known of a conversation up to a message. */
interface Known {
  readonly heldOut: boolean;
  readonly userSpoke: boolean;
  /** By what the user said last before the first answer of ours. */
  readonly conversation: string | undefined;
  /** Whether an answer of ours is in it. What stands before that was sent along, as worked examples are. */
  readonly answered: boolean;
}

const UNSAID: Known = {
  heldOut: false,
  userSpoke: false,
  conversation: undefined,
  answered: false,
};

/** What conversations are drawn with, and how many of them are held out. */
interface Live {
  readonly salt: string;
  readonly share: number;
}

const NO_LIVE: Live = { salt: '', share: 0 };

export class HeldOut {
  readonly #db: Db;
  readonly #questions: Questions;
  /** Of whole questions, with whatever stands before them. */
  readonly #hashes: ReadonlySet<Hash>;
  /** By the hash of the message, which stands for all before it. */
  readonly #known = new Map<Hash, Known>();
  readonly #live: Live;

  constructor(db: Db, rows: readonly { readonly hash: Hash; readonly body: string }[], live: Live = NO_LIVE) {
    this.#db = db;
    this.#live = live;
    this.#hashes = new Set(rows.map(({ hash }) => hash));
    this.#questions = new Questions(rows.map(({ body }) => lastAsked((parseJson(body) as Task).messages)));
  }

  /**
   * Whether a held-out question is asked anywhere in the conversation that ends in this row of messages; by its hash,
   * where it is at hand, nothing is read of what was looked at before.
   */
  isIn(messageAt: number, tip?: Hash): boolean {
    return this.#hashes.size > 0 && this.#at(messageAt, tip).heldOut;
  }

  /** Whether the conversation, which a client has begun, is held out by lot. */
  isLive(messageAt: number, tip?: Hash): boolean {
    if (this.#live.share === 0) return false;
    const { conversation } = this.#at(messageAt, tip);
    return conversation !== undefined && isInShare(conversation, HELD_OUT, this.#live.share);
  }

  /** Which conversation it is: the same for each of its turns, its branches and its copies. */
  conversationAt(messageAt: number, tip?: Hash): string | undefined {
    return this.#at(messageAt, tip).conversation;
  }

  #at(messageAt: number, tip?: Hash): Known {
    const seen = tip === undefined ? undefined : this.#known.get(tip);
    if (seen !== undefined) return seen;
    const own = readChain(this.#db, messageAt, (hash) => this.#known.has(hash));
    if (own === undefined) return UNSAID;
    if (this.#known.size + own.length > REMEMBERED) {
      this.#known.clear();
      return this.#at(messageAt);
    }
    const before = own[0]?.parent ?? hashOf(this.#db, messageAt);
    let known = this.#known.get(before) ?? UNSAID;
    for (const message of own) {
      known = this.#after(known, message);
      this.#known.set(message.hash, known);
    }
    return known;
  }

  /** Whether a whole held-out question, with whatever stands before it, ends in the message of this hash. */
  isTask(tip: Hash): boolean {
    return this.#hashes.has(tip);
  }

  #after(known: Known, stored: StoredMessage): Known {
    const { userSpoke } = known;
    const opening = !known.answered;
    // Without held-out tasks there is nothing to look for in what was said later.
    if (userSpoke && !opening && (known.heldOut || this.#hashes.size === 0)) return known;
    const message = messageOf(stored.body);
    const asked = message.role === 'user';
    const said = saidIn(message);
    const words = asked && opening ? openingOf(message.content) : undefined;
    return {
      // One of a few words is only known where it is all that was said.
      heldOut:
        known.heldOut ||
        this.#hashes.has(stored.hash) ||
        this.#questions.isIn(said) ||
        (asked && this.#questions.isShort(said, !userSpoke)),
      userSpoke: userSpoke || asked,
      conversation: words === undefined ? known.conversation : conversationId(this.#live.salt, words),
      answered: known.answered || (opening && message.role === 'assistant' && isAnswer(this.#db, stored)),
    };
  }
}

/** The last words of the user: those before them are worked examples, or what a question of few words is about. */
function lastAsked(messages: readonly Message[]): string {
  const last = messages.findLast(({ role }) => role === 'user');
  return last === undefined ? '' : saidIn(last);
}

/** Parts do not run into each other; what is handed on in a call is said, too. */
function saidIn(message: Message): string {
  const { content } = message;
  const parts =
    typeof content === 'string' || content === null ? [textOf(content)] : content.map(({ text }) => text ?? '');
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : [];
  return [...parts, ...calls.flatMap((call) => textsIn(call.function.arguments))].join('\n');
}

/** Of what is no JSON, the whole. */
function textsIn(json: string): string[] {
  try {
    return textsOf(parseJson(json));
  } catch {
    return [json];
  }
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

const opened = new WeakMap<Db, { readonly of: string; readonly heldOut: HeldOut }>();

/** Those of the present tasks. What was looked at before is known until tasks change. */
export function heldOutOf(db: Db): HeldOut {
  const tasks =
    prepared<[], { of: string | null }>(
      db,
      "SELECT group_concat(hash, ' ') AS of FROM tasks WHERE split = 'heldout'",
    ).get()?.of ?? '';
  const live = liveHoldoutOf(db);
  const of = `${tasks} ${live.share} ${live.salt}`;
  const known = opened.get(db);
  if (known?.of === of) return known.heldOut;
  const rows = prepared<[], { hash: Hash; body: string }>(
    db,
    "SELECT hash, body FROM tasks WHERE split = 'heldout'",
  ).all();
  const heldOut = new HeldOut(db, rows, live);
  opened.set(db, { of, heldOut });
  return heldOut;
}

function hashOf(db: Db, row: number): Hash {
  return prepared<[number], { hash: Hash }>(db, 'SELECT hash FROM messages WHERE id = ?').get(row)?.hash ?? '';
}

const HELD_OUT = 'held out';
const SALT_BYTES = 16;

export function liveHoldoutOf(db: Db): Live {
  return prepared<[], Live>(db, 'SELECT salt, share FROM live_holdout').get() ?? NO_LIVE;
}

/**
 * Holds so many live conversations out from now on. A smaller share than before changes nothing: what is held out stays
 * so. What was counted is looked at again where it is another one.
 */
export function holdOutLive(db: Db, share: number): void {
  const known = prepared<[], Live>(db, 'SELECT salt, share FROM live_holdout').get();
  if (known !== undefined && known.share >= share) return;
  db.transaction(
    () => {
      prepared<[string, number]>(
        db,
        `INSERT INTO live_holdout (one, salt, share) VALUES (1, ?, ?)
          ON CONFLICT DO UPDATE SET share = max(share, excluded.share)`,
      ).run(randomBytes(SALT_BYTES).toString('hex'), share);
      if (share > 0) prepared(db, 'UPDATE countings SET tasks_written = 1').run();
    },
    { behavior: 'immediate' },
  );
}
