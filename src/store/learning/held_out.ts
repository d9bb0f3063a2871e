/** Which states have the question of a held-out task in them: what is learned there would be learned of the task. */
import { Questions } from '../../core/learning/questions.js';
import type { Task } from '../../core/learning/task.js';
import { type Message, textOf } from '../../core/message.js';
import type { Hash } from '../../core/text/hash.js';
import { parseJson } from '../../core/text/json.js';
import { prepared, type Db } from '../file/db.js';
import { messageOf, readChain } from '../log/chain.js';

/** Prefixes of conversations that are remembered. */
const REMEMBERED = 100_000;

/** What is known of a conversation up to a message. */
interface Known {
  readonly heldOut: boolean;
  readonly userSpoke: boolean;
}

const UNSAID: Known = { heldOut: false, userSpoke: false };

export class HeldOut {
  readonly #db: Db;
  readonly #questions: Questions;
  /** Of whole questions, with whatever stands before them. */
  readonly #hashes: ReadonlySet<Hash>;
  /** By the hash of the message, which stands for all before it. */
  readonly #known = new Map<Hash, Known>();

  constructor(db: Db, rows: readonly { readonly hash: Hash; readonly body: string }[]) {
    this.#db = db;
    this.#hashes = new Set(rows.map(({ hash }) => hash));
    this.#questions = new Questions(rows.map(({ body }) => lastAsked((parseJson(body) as Task).messages)));
  }

  /**
   * Whether a held-out question is asked anywhere in the conversation that ends in this row of messages; by its hash,
   * where it is at hand, nothing is read of what was looked at before.
   */
  isIn(messageAt: number, tip?: Hash): boolean {
    if (this.#hashes.size === 0) return false;
    const seen = tip === undefined ? undefined : this.#known.get(tip);
    if (seen !== undefined) return seen.heldOut;
    const own = readChain(this.#db, messageAt, (hash) => this.#known.has(hash));
    if (own === undefined) return false;
    if (this.#known.size + own.length > REMEMBERED) {
      this.#known.clear();
      return this.isIn(messageAt);
    }
    const before = own[0]?.parent ?? hashOf(this.#db, messageAt);
    let known = this.#known.get(before) ?? UNSAID;
    for (const { hash, body } of own) {
      known = this.#after(known, hash, body);
      this.#known.set(hash, known);
    }
    return known.heldOut;
  }

  /** Whether a whole held-out question, with whatever stands before it, ends in the message of this hash. */
  isTask(tip: Hash): boolean {
    return this.#hashes.has(tip);
  }

  #after({ heldOut, userSpoke }: Known, hash: Hash, body: string): Known {
    if (heldOut) return { heldOut, userSpoke };
    const message = messageOf(body);
    const asked = message.role === 'user';
    const said = saidIn(message);
    return {
      // One of a few words is only known where it is all that was said.
      heldOut:
        this.#hashes.has(hash) || this.#questions.isIn(said) || (asked && this.#questions.isShort(said, !userSpoke)),
      userSpoke: userSpoke || asked,
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
  const of =
    prepared<[], { of: string | null }>(
      db,
      "SELECT group_concat(hash, ' ') AS of FROM tasks WHERE split = 'heldout'",
    ).get()?.of ?? '';
  const known = opened.get(db);
  if (known?.of === of) return known.heldOut;
  const rows = prepared<[], { hash: Hash; body: string }>(
    db,
    "SELECT hash, body FROM tasks WHERE split = 'heldout'",
  ).all();
  const heldOut = new HeldOut(db, rows);
  opened.set(db, { of, heldOut });
  return heldOut;
}

function hashOf(db: Db, row: number): Hash {
  return prepared<[number], { hash: Hash }>(db, 'SELECT hash FROM messages WHERE id = ?').get(row)?.hash ?? '';
}
