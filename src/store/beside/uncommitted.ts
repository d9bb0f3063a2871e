/** What is in the intake and not committed: up to which line it is written, sent and committed, and what is in it. */
import { sha256 } from '../../core/text/hash.js';
import type { Message } from '../../core/message.js';
import { roughly } from '../log/recognise.js';
import type { Group } from './backlog.js';
import { LARGE_CHARS, type UnwrittenMessage } from './held.js';
import type { Carried } from './intake.js';
import type { Place } from './intake_file.js';

/** A recording that has begun and has no end yet. */
interface UnfinishedRecording {
  readonly parts: Carried[];
  answerText: string | undefined;
  ended?: true;
}

/** Answers that are told apart while they wait: of an older one that waits a follow-up is a new conversation. */
const MAX_ANSWERS = 65_536;
/** So many of them are forgotten together. */
const TOGETHER = 1_024;
/** A longer answer is known by its hash: many may wait. */
const LONG = 200;

/** Answers with the number of the newest line each is part of. */
interface AnswerLines {
  newest: number;
  readonly lines: Map<string, number>;
}

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
   * Answers that are not committed, in any of their forms, oldest first: a conversation that contains one must not be
   * looked up before its line is committed. In several maps, of which none is emptied one by one.
   */
  #answerLines: AnswerLines[] = [];

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
    const alone = messages.length === 1 && (messages[0]?.length ?? 0) > LARGE_CHARS;
    /** Most recordings are in one line from their beginning to their end. */
    const here = new Map<number, UnfinishedRecording>();
    for (const { recording, ends, answerText, text } of messages) {
      const unfinished = this.#unfinished.get(recording) ?? here.get(recording) ?? { parts: [], answerText };
      unfinished.parts.push(alone ? { place } : { text });
      unfinished.answerText = answerText ?? unfinished.answerText;
      here.set(recording, unfinished);
      if (ends) unfinished.ended = true;
    }
    for (const [recording, unfinished] of here) {
      // Also for the end of an answer: a conversation continues an answer only when its end is committed, too.
      if (unfinished.answerText !== undefined) this.#isIn(line.newest, keyOf(unfinished.answerText));
      if (unfinished.ended !== true) this.#unfinished.set(recording, unfinished);
      else this.#unfinished.delete(recording);
    }
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
    this.#answerLines = this.#answerLines.filter(({ newest }) => newest > this.committed);
  }

  /** The newest number of an answer up to this line, which is sent. */
  numberedTo(line: number): number | undefined {
    return this.#groups.findLast(({ newest }) => newest <= line)?.numbered;
  }

  /** The newest line that has an answer of this conversation; 0 where all of them are committed. */
  newestLineOf(messages: readonly Message[]): number {
    let found = 0;
    for (const past of messages) {
      if (past.role !== 'assistant' || this.#answerLines.length === 0) continue;
      const key = keyOf(roughly(past));
      for (const { lines } of this.#answerLines) found = Math.max(found, lines.get(key) ?? 0);
    }
    return found > this.committed ? found : 0;
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

  #isIn(line: number, key: string): void {
    let last = this.#answerLines.at(-1);
    if (last === undefined || last.lines.size >= TOGETHER) {
      this.#answerLines.push((last = { newest: line, lines: new Map() }));
      if (this.#answerLines.length > MAX_ANSWERS / TOGETHER) this.#answerLines.shift();
    }
    last.newest = line;
    last.lines.set(key, line);
  }
}

function keyOf(answerText: string): string {
  return answerText.length > LONG ? sha256(answerText) : answerText;
}
