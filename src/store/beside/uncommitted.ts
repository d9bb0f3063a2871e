/** What is in the intake and not committed: up to which line it is written, sent and committed, and what is in it. */
import { sha256 } from '../../core/text/hash.js';
import type { Message } from '../../core/message.js';
import { roughly } from '../log/recognise.js';
import type { Group } from './backlog.js';
import { LARGE_CHARS, type UnwrittenMessage } from './held.js';
import type { Carried, Place } from './intake.js';

/** A recording that has begun and has no end yet. */
interface UnfinishedRecording {
  readonly parts: Carried[];
  answerText: string | undefined;
}

/** Answers that are told apart while they wait: of an older one that waits a follow-up is a new conversation. */
const MAX_ANSWERS = 65_536;
/** A longer answer is known by its hash: many may wait. */
const LONG = 200;

export class Uncommitted {
  /** Numbers of the newest line that is in the intake, that is sent, and that is committed. */
  written = 0;
  sent = 0;
  committed = 0;
  answers = 0;
  bytes = 0;
  #numbered = 0;
  /** Sent and not committed, oldest first. */
  #groups: Group[] = [];
  readonly #unfinished = new Map<number, UnfinishedRecording>();
  /**
   * Answers that are not committed, in any of their forms, with the number of the newest line they are part of, oldest
   * first: a conversation that contains one must not be looked up before that line is committed.
   */
  readonly #answerLines = new Map<string, number>();

  /** Nothing is lost where the log's thread is gone: all is committed, and no recording goes on. */
  get nothing(): boolean {
    return this.committed === this.written && this.#unfinished.size === 0;
  }

  /** `place` is where the line stands that has them. */
  wrote(line: Group, messages: readonly UnwrittenMessage[], place: Place): void {
    this.written = line.newest;
    this.#numbered = line.numbered;
    this.answers += line.answers;
    this.bytes += line.bytes;
    const alone = messages.length === 1 && (messages[0]?.text.length ?? 0) > LARGE_CHARS;
    for (const message of messages) this.#track(message, line.newest, alone ? { place } : { text: message.text });
  }

  sending(group: Group): void {
    this.sent = group.newest;
    this.#groups.push(group);
  }

  /** The log's thread begins with everything that is in the intake. */
  sendingAll(): void {
    const { written, answers, bytes } = this;
    this.sent = written;
    this.#groups = [{ newest: written, numbered: this.#numbered, answers, bytes }];
  }

  settled(line: number): void {
    this.committed = Math.max(this.committed, line);
    let count = 0;
    for (const { newest, answers, bytes } of this.#groups) {
      if (newest > this.committed) break;
      this.answers -= answers;
      this.bytes -= bytes;
      count += 1;
    }
    this.#groups.splice(0, count);
    for (const [answerText, writtenIn] of this.#answerLines) {
      if (writtenIn > this.committed) break;
      this.#answerLines.delete(answerText);
    }
  }

  /** The newest number of an answer up to this line, which is sent. */
  numberedTo(line: number): number | undefined {
    return this.#groups.findLast(({ newest }) => newest <= line)?.numbered;
  }

  /** The newest line that has an answer of this conversation; 0 where all of them are committed. */
  newestLineOf(messages: readonly Message[]): number {
    return messages.reduce(
      (newest, past) =>
        past.role === 'assistant' ? Math.max(newest, this.#answerLines.get(keyOf(roughly(past))) ?? 0) : newest,
      0,
    );
  }

  forget(recording: number): void {
    this.#unfinished.delete(recording);
  }

  /** Everything of recordings that have no end yet, in its order. */
  *unfinished(): Iterable<Carried> {
    for (const { parts } of this.#unfinished.values()) {
      let texts: string[] = [];
      for (const part of parts) {
        if ('text' in part) texts.push(part.text);
        else {
          if (texts.length > 0) yield { text: texts.join(',') };
          texts = [];
          yield part;
        }
      }
      if (texts.length > 0) yield { text: texts.join(',') };
    }
  }

  #track({ recording, ends, answerText }: UnwrittenMessage, line: number, part: Carried): void {
    let unfinished = this.#unfinished.get(recording);
    if (unfinished === undefined) this.#unfinished.set(recording, (unfinished = { parts: [], answerText }));
    unfinished.parts.push(part);
    unfinished.answerText = answerText ?? unfinished.answerText;
    if (unfinished.answerText !== undefined) {
      const key = keyOf(unfinished.answerText);
      // Also for the end of an answer: a conversation continues an answer only when its end is committed, too.
      this.#answerLines.delete(key);
      this.#answerLines.set(key, line);
      if (this.#answerLines.size > MAX_ANSWERS)
        for (const oldest of this.#answerLines.keys()) {
          this.#answerLines.delete(oldest);
          break;
        }
    }
    if (ends) this.#unfinished.delete(recording);
  }
}

function keyOf(answerText: string): string {
  return answerText.length > LONG ? sha256(answerText) : answerText;
}
