/**
 * The line to the log's thread. What is said is in the intake when its promise resolves, and is committed soon after,
 * in groups: nobody waits for that. Where there is no intake, or it cannot be written, what is said waits for its
 * commit instead. A log thread that dies is replaced by one that begins with what the intake has.
 */
import { Worker } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import type { Opening } from '../../core/log.js';
import { textOf } from '../../core/message.js';
import { Intake } from './intake.js';
import type { FromLog, ThreadWords, ToLog } from './wire.js';
import type { LogWorkerData } from './worker.js';

export interface LinkOptions {
  readonly dataDir: string;
  /** The compiled `log_worker`. */
  readonly module: string;
  readonly failed?: ((reason: unknown) => void) | undefined;
  /** Patterns of what may not be logged; applied over there. */
  readonly redact?: readonly string[] | undefined;
}

/** Text handed over at once, in characters: what is asked of the log meanwhile waits until it is committed. */
const CHUNK = 128 * 1024;
/** Less than that waits so long for company: nobody waits for it, and a commit's own cost is shared. */
const GATHER_MS = 10;
/**
 * More than this is not taken in before something of it is committed: a log that cannot keep up slows answers down, and
 * whoever reads it back waits for no more.
 */
const MOST = 8 * 1024 * 1024;
/** A log thread that ended so often without committing anything will not commit it ever. */
const DEATHS = 2;

type Opened = Extract<FromLog, { say: 'opened' }>;

/** Words on their way into the intake, as text. */
interface Said {
  readonly thread: number;
  readonly text: string;
  readonly ends: boolean;
  /** The text of the answer so far, as its client has it. */
  readonly shown?: string | undefined;
  readonly resolve?: ((kept: boolean) => void) | undefined;
}

/** One text of the intake. */
interface Taken {
  readonly number: number;
  /** Words with commas between. */
  readonly text: string;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #intake: Intake | undefined;
  #worker: Worker | undefined;
  /** Failures told on this side, and those of log threads that are gone. */
  #lost = 0;
  /** Failures of the present log thread, by its own count. */
  #counted = 0;
  #numbers = 0;
  #said: Said[] = [];
  /** Threads that have begun and have no end yet, with all their words and what their clients were shown last. */
  readonly #open = new Map<number, { readonly texts: string[]; shown: string | undefined }>();
  /** Taken in and not handed over. */
  #taken: Taken[] = [];
  #takenSize = 0;
  /** The newest text taken in, handed over, and committed. */
  #newest = 0;
  #handed = 0;
  #committed = 0;
  /**
   * Texts that clients were shown and that are not committed, with the newest they were taken in with, oldest first.
   */
  readonly #shown = new Map<string, number>();
  #gathering: NodeJS.Timeout | undefined;
  /** Who may go on when something is committed. */
  #slowed: (() => void)[] = [];
  /** The newest text in the files that the present log thread began with. */
  #recoverTo = 0;
  #deaths = 0;
  #closing = false;
  readonly #asked = new Map<number, (committed: boolean) => void>();
  readonly #opening = new Map<number, { readonly resolve: (opened: Opened) => void; readonly opening: Opening }>();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#intake = (options.redact ?? []).length > 0 ? undefined : new Intake(options.dataDir, () => this.#openText());
    this.#worker = this.#start([]);
  }

  get failures(): number {
    return this.#lost + this.#counted;
  }

  number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  post(words: ThreadWords): void {
    this.#say({ thread: words.thread, text: JSON.stringify(words), ends: words.say === 'finish' });
  }

  /** Resolves to whether it is kept; never rejects. */
  ask(words: ThreadWords): Promise<boolean> {
    const text = JSON.stringify(words);
    const shown = words.say === 'step' ? { shown: textOf(words.visible.content) } : {};
    return new Promise((resolve) =>
      this.#say({ thread: words.thread, text, ends: words.say === 'finish', resolve, ...shown }),
    );
  }

  /** Never rejects: without a log the conversation goes on as a new one. */
  open(words: { readonly say: 'open'; readonly thread: number; readonly opening: Opening }): Promise<Opened> {
    const ask = this.number();
    this.#takeIn();
    // What it goes on from goes before it; all else that waits does not concern it.
    const past = words.opening.messages.map((message) =>
      message.role === 'assistant' ? (this.#shown.get(textOf(message.content)) ?? 0) : 0,
    );
    this.#handOver(Number.POSITIVE_INFINITY, Math.max(...past));
    return new Promise((resolve) => {
      this.#opening.set(ask, { resolve, opening: words.opening });
      this.#send(JSON.stringify([{ ...words, ask } satisfies ToLog]), []);
    });
  }

  /** Resolves when everything said so far is committed or counted as failed. */
  async flush(): Promise<void> {
    this.#handOverAll();
    const ask = this.number();
    await new Promise<boolean>((resolve) => {
      this.#asked.set(ask, resolve);
      this.#send(JSON.stringify([{ say: 'flush', ask } satisfies ToLog]), [ask]);
    });
    this.#intake?.settled(this.#committed, true);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#handOverAll();
    this.#closing = true;
    const worker = this.#worker;
    if (worker !== undefined) {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      this.#send(JSON.stringify([{ say: 'close' } satisfies ToLog]), []);
      await ended;
    }
    this.#intake?.close();
  }

  /** Once per turn of the event loop: what belongs together is one write. */
  #say(said: Said): void {
    this.#said.push(said);
    if (this.#said.length === 1) setImmediate(() => this.#takeIn());
  }

  #takeIn(): void {
    const said = this.#said;
    if (said.length === 0) return;
    this.#said = [];
    const text = said.map((each) => each.text).join(',');
    const number = this.#newest + 1;
    if (this.#intake?.append(`[${text}]`, number) !== true) return this.#wait(said);
    this.#newest = number;
    this.#taken.push({ number, text });
    this.#takenSize += text.length;
    for (const each of said) this.#keep(each, number);
    const resolve = (): void => {
      for (const each of said) each.resolve?.(true);
    };
    if (this.#takenSize > MOST) this.#slowed.push(resolve);
    else resolve();
    this.#handOverNext();
  }

  #keep({ thread, text, ends, shown }: Said, number: number): void {
    let open = this.#open.get(thread);
    if (open === undefined) this.#open.set(thread, (open = { texts: [], shown }));
    open.texts.push(text);
    open.shown = shown ?? open.shown;
    if (open.shown !== undefined) {
      // What goes on from an answer needs its end, too.
      this.#shown.delete(open.shown);
      this.#shown.set(open.shown, number);
    }
    if (ends) this.#open.delete(thread);
  }

  #openText(): string | undefined {
    return this.#open.size === 0 ? undefined : `[${[...this.#open.values()].flatMap(({ texts }) => texts).join(',')}]`;
  }

  /** Without the intake: every word is answered when it is committed. */
  #wait(said: readonly Said[]): void {
    this.#handOverAll();
    const asks: number[] = [];
    const texts = said.map(({ text, resolve }) => {
      if (resolve === undefined) return text;
      const ask = this.number();
      asks.push(ask);
      this.#asked.set(ask, resolve);
      return `{"ask":${ask},${text.slice(1)}`;
    });
    for (const each of said) if (each.ends) this.#open.delete(each.thread);
    this.#send(`[${texts.join(',')}]`, asks);
  }

  /** One group at a time: what comes while it is committed is the next. */
  #handOverNext(gathered = false): void {
    if (this.#handed > this.#committed || this.#taken.length === 0) return;
    if (gathered || this.#takenSize >= CHUNK) return this.#handOver(CHUNK);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#handOverNext(true);
    }, GATHER_MS);
  }

  #handOverAll(): void {
    this.#takeIn();
    this.#handOver(Number.POSITIVE_INFINITY);
  }

  /** So many characters at most, and nothing that was taken in after `last`. */
  #handOver(most: number, last = Number.POSITIVE_INFINITY): void {
    const texts: string[] = [];
    let size = 0;
    let number = 0;
    for (const taken of this.#taken) {
      if (size >= most || taken.number > last) break;
      texts.push(taken.text);
      size += taken.text.length;
      number = taken.number;
    }
    if (texts.length === 0) return;
    this.#taken = this.#taken.slice(texts.length);
    this.#takenSize -= size;
    this.#handed = number;
    this.#send(`[${texts.join(',')},{"say":"settle","number":${number}}]`, []);
  }

  #settled(number: number): void {
    this.#committed = Math.max(this.#committed, number);
    for (const [text, taken] of this.#shown) {
      if (taken > this.#committed) break;
      this.#shown.delete(text);
    }
    this.#deaths = 0;
    this.#intake?.settled(this.#committed);
    if (this.#takenSize <= MOST) for (const go of this.#slowed.splice(0)) go();
    this.#handOverNext();
  }

  #send(text: string, asks: readonly number[]): void {
    try {
      // As text: objects are cloned key by key, which took both threads together 44 us a request against 24.
      if (this.#closing && this.#worker === undefined) throw new Error('the log is closed');
      (this.#worker ??= this.#start([])).postMessage(text);
    } catch (thrown) {
      this.#lose(thrown, asks, []);
      this.#recover();
    }
  }

  #start(recover: readonly string[]): Worker {
    const { dataDir, module, failed = () => undefined, redact = [] } = this.#options;
    const worker = new Worker(module, { workerData: { dataDir, redact, recover } satisfies LogWorkerData });
    worker.on('message', (words: FromLog) => {
      switch (words.say) {
        case 'done':
          for (let at = 0; at < words.asks.length; at += 2) this.#answer(words.asks[at] ?? 0, words.asks[at + 1] === 1);
          return;
        case 'opened':
          this.#opening.get(words.ask)?.resolve(words);
          this.#opening.delete(words.ask);
          return;
        case 'settled':
          return this.#settled(words.number);
        case 'recovered':
          this.#intake?.setAside(words.broken);
          return this.#settled(this.#recoverTo);
        case 'failed':
          this.#counted = words.failures;
          return failed(words.reason);
        default:
          return words satisfies never;
      }
    });
    let fault: unknown;
    worker.on('error', (thrown) => (fault = thrown));
    worker.on('exit', (code) =>
      this.#gone(new Error(`the log's thread ended with ${code}${fault === undefined ? '' : `: ${reasonOf(fault)}`}`)),
    );
    return worker;
  }

  #gone(reason: Error): void {
    this.#worker = undefined;
    this.#lost += this.#counted;
    this.#counted = 0;
    if (this.#closing) return;
    this.#lose(reason, [...this.#asked.keys()], [...this.#opening.keys()]);
    this.#recover();
  }

  /** Begins again with what is in the intake, where that is not committed, or goes on in answers that are open. */
  #recover(): void {
    if (this.#closing || this.#intake === undefined || (this.#committed === this.#newest && this.#open.size === 0))
      return;
    const files = this.#intake.cut();
    this.#recoverTo = this.#newest;
    this.#handed = this.#newest;
    this.#taken = [];
    this.#takenSize = 0;
    for (this.#deaths += 1; this.#deaths <= DEATHS; this.#deaths += 1) {
      try {
        this.#worker = this.#start(files);
        return;
      } catch (thrown) {
        this.#options.failed?.(thrown);
      }
    }
    this.#lost += 1;
    this.#intake.setAside(files);
    this.#settled(this.#newest);
  }

  #answer(ask: number, committed: boolean): void {
    this.#asked.get(ask)?.(committed);
    this.#asked.delete(ask);
  }

  /** Everything that waits for a commit is told that it will not have one. */
  #lose(reason: unknown, asks: readonly number[], openings: readonly number[]): void {
    this.#lost += asks.length + openings.length;
    this.#options.failed?.(reason);
    for (const ask of asks) this.#answer(ask, false);
    for (const ask of openings) {
      const waiting = this.#opening.get(ask);
      this.#opening.delete(ask);
      waiting?.resolve({ say: 'opened', ask, trajectoryId: newId('traj', waiting.opening.at), continued: false });
    }
  }
}
