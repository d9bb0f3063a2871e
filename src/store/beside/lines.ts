/**
 * What is recorded in one turn of the event loop becomes a line of the intake, with one write. Where the intake cannot
 * be written it goes to the log's thread at once; where the database cannot be written either, it waits here.
 */
import { writtenInTurns } from '../../core/running/written.js';
import { writeJson } from '../../core/text/json.js';
import { isLarge } from '../../core/text/json_pieces.js';
import { type Backlog, type Group, MAX_UNSENT_BYTES } from './backlog.js';
import { type About, Held, LARGE_CHARS, UnwrittenMessage } from './held.js';
import type { Intake } from './intake.js';
import type { Place } from './intake_file.js';
import type { Uncommitted } from './uncommitted.js';
import type { Waiting } from './waiting.js';
import type { RecordingMessage } from './wire.js';

/** Characters in one line. */
const LINE_CHARS = 4 * 1024 * 1024;
/** What could be written neither to the intake nor to the database is tried again. */
const HELD_MS = 250;
const [OPEN, CLOSE] = [Buffer.from('['), Buffer.from(']')];

interface LinesDeps {
  readonly intake: Intake | undefined;
  readonly backlog: Backlog;
  readonly uncommitted: Uncommitted;
  readonly waiting: Waiting;
  /** Whether what is sent to the log's thread would only lie there. */
  readonly blocked: () => boolean;
  /** Nothing may be written to the intake before this has resolved; {@link Lines.write} is called after it. */
  readonly paused: () => Promise<void> | undefined;
  /** Sends messages past the intake, with these texts. */
  readonly direct: (messages: readonly UnwrittenMessage[], texts: readonly string[]) => void;
  /** Called when lines may have been added. */
  readonly written: () => void;
  /** So many recordings are too many to wait. */
  readonly dropped: (recordings: number) => void;
}

export class Lines {
  readonly #deps: LinesDeps;
  readonly #held = new Held();
  /** The newest number of an answer that is in the intake or sent. */
  #numbered = 0;
  /**
   * Recordings that go past the intake to their end: what it held of one that began elsewhere could not be recovered
   * from it.
   */
  readonly #past = new Set<number>();
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  /** Promises of messages that wait because of {@link MAX_UNSENT_BYTES}. */
  #slowedDown: (() => void)[] = [];
  /** By recording: its messages are put into JSON in turns of the event loop, and those after them wait. */
  readonly #preparing = new Map<number, Promise<void>>();
  /** One large message after the other: its text takes as much memory again. */
  #large: Promise<void> = Promise.resolve();
  /** Resolves when the intake can be written again: something large is on its way. */
  #under: Promise<void> | undefined;
  /** What the thread pool could not write. */
  #unwritable: UnwrittenMessage | undefined;
  readonly #writeSome = (): void => this.write(false);

  constructor(deps: LinesDeps) {
    this.#deps = deps;
  }

  get numbered(): number {
    return this.#numbered;
  }

  /** What could not be written anywhere. */
  get waiting(): { readonly answers: number; readonly bytes: number } {
    return { answers: this.#held.answers, bytes: this.#held.chars };
  }

  /** Resolves when what is being written to the intake is; undefined where nothing is. */
  get under(): Promise<void> | undefined {
    return this.#under;
  }

  /** Resolves the message's promise when it is kept. `numbered`: it is the end of an answer that has a step. */
  add(message: RecordingMessage, numbered: boolean, answerText?: string, resolve?: (kept: boolean) => void): void {
    const { recording, type } = message;
    const about = { recording, ends: type === 'finish', numbered, answerText, resolve };
    const before = this.#preparing.size === 0 ? undefined : this.#preparing.get(recording);
    const large = type !== 'finish' && isLarge(message);
    if (before === undefined && !large) return this.#take(new UnwrittenMessage(about, writeJson(message)));
    const after = Promise.all([before, large ? this.#large : undefined]);
    const preparing = this.#prepare(message, large, about, after).finally(() => {
      if (this.#preparing.get(recording) === preparing) this.#preparing.delete(recording);
    });
    this.#preparing.set(recording, preparing);
    if (large) this.#large = preparing;
  }

  async #prepare(message: RecordingMessage, large: boolean, about: About, before: Promise<unknown>): Promise<void> {
    await before;
    try {
      this.#take(new UnwrittenMessage(about, large ? await writtenInTurns(message) : writeJson(message)));
    } catch {
      about.resolve?.(false);
      this.#deps.dropped(1);
    }
  }

  #take(message: UnwrittenMessage): void {
    this.#held.add(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#writeSome);
  }

  /** Writes all that waits, or lets large messages have a turn of the event loop each. */
  write(all = true): void {
    this.#scheduled = false;
    let stays = false;
    for (const line of this.#held.lines(LINE_CHARS)) {
      if (this.#isBusy()) break;
      const inside = this.#past.size === 0 ? line : line.filter(({ recording }) => !this.#past.has(recording));
      const written = this.#writeLine(inside);
      if (written === undefined) break;
      if (written && inside === line) {
        if (all || line.length > 1 || line[0] === undefined || line[0].length <= LARGE_CHARS) continue;
        this.#scheduled = true;
        setImmediate(this.#writeSome);
        break;
      }
      // What is left of the line is to go past the intake.
      const past = line.filter((message) => this.#held.has(message));
      if (past.length === 0) continue;
      if (!this.#deps.blocked()) this.#sendPast(past);
      else stays = true;
      // What comes later of a recording must not be written before what stays.
      if (!written && stays) break;
    }
    if (stays) this.#hold();
    this.#deps.written();
  }

  /** Resolves when all that was added so far is written or sent, or waits for a fault to pass. */
  async settle(): Promise<void> {
    await Promise.all([...this.#preparing.values(), this.#deps.paused()]);
    const last = this.#held.newest;
    for (;;) {
      this.write();
      if (last === undefined || !this.#held.has(last) || this.#under === undefined) return;
      await this.#under;
    }
  }

  /** Some of what waited is committed: who was slowed down goes on. */
  faster(): void {
    for (const resolve of this.#slowedDown.splice(0)) resolve();
  }

  /** Nobody waits any longer; what waits is kept all the same. */
  letGo(): void {
    this.#held.letGo();
    this.faster();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #sendPast(messages: readonly UnwrittenMessage[]): void {
    for (const { recording, ends } of messages) {
      if (ends) this.#past.delete(recording);
      else this.#past.add(recording);
    }
    const texts = this.#numberedTexts(messages);
    this.#taken(messages);
    this.#deps.direct(messages, texts);
  }

  #taken(messages: readonly UnwrittenMessage[]): void {
    for (const { numbered } of messages) if (numbered) this.#numbered += 1;
    this.#held.remove(messages);
  }

  /** Their texts with the numbers they get when they are taken. */
  #numberedTexts(messages: readonly UnwrittenMessage[]): string[] {
    let number = this.#numbered;
    return messages.map(({ text, bytes, numbered }) => {
      if (bytes !== undefined) return Buffer.concat(bytes).toString();
      return numbered ? `{"number":${(number += 1)},${text.slice(1)}` : text;
    });
  }

  /** Whether nothing can be written to the intake now; what waits is written when it can be. */
  #isBusy(): boolean {
    const { intake, paused } = this.#deps;
    if (paused() !== undefined || this.#under !== undefined) return true;
    const busy = intake?.busy ?? intake?.makeRoom();
    if (busy !== undefined) this.#after(busy);
    return busy !== undefined;
  }

  #after(busy: Promise<void>): void {
    this.#under = busy.then(() => {
      this.#under = undefined;
      this.write(false);
    });
  }

  /** False where the intake cannot be written, undefined where it is not known yet. */
  #writeLine(messages: readonly UnwrittenMessage[]): boolean | undefined {
    const [only] = messages;
    if (only === undefined) return true;
    const { intake, uncommitted } = this.#deps;
    const number = uncommitted.written + 1;
    if (only.bytes !== undefined && intake !== undefined) {
      if (only === this.#unwritable) {
        this.#unwritable = undefined;
        return false;
      }
      const writing = intake.appendLarge([OPEN, ...only.bytes, CLOSE], number).then((place) => {
        if (place === undefined) this.#unwritable = only;
        else this.#wrote([only], number, place); // others may have been added since
      });
      this.#after(writing);
      return undefined;
    }
    const place = intake?.append(`[${this.#numberedTexts(messages).join(',')}]`, number);
    if (place === undefined) return false;
    this.#wrote(messages, number, place);
    return true;
  }

  #wrote(messages: readonly UnwrittenMessage[], number: number, place: Place): void {
    const { uncommitted, backlog, waiting } = this.#deps;
    this.#taken(messages);
    const line: Group = {
      newest: number,
      numbered: this.#numbered,
      answers: messages.filter(({ ends }) => ends).length,
      bytes: place.to - place.from,
    };
    backlog.add(place, line);
    uncommitted.wrote(line, messages, place);
    const resolve = (): void => {
      for (const message of messages) message.resolve?.(true);
    };
    // A log that does not keep up slows the gateway down; one that waits for a fault to pass does not stop it.
    if (backlog.bytes > MAX_UNSENT_BYTES && waiting.fault === undefined) this.#slowedDown.push(resolve);
    else resolve();
  }

  /** Neither intake nor database takes it now: it waits here, as much as may. */
  #hold(): void {
    const lost = this.#held.bound();
    if (lost > 0) this.#deps.dropped(lost);
    if (this.#deps.waiting.over) this.#held.letGo();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.write();
    }, HELD_MS);
  }
}
