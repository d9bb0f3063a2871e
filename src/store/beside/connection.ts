/**
 * The connection to the log's thread. A message is in the intake when its promise resolves, and is committed soon
 * after, in groups: nobody waits for that. Where there is no intake, or it cannot be written, the promise waits for the
 * commit instead. A log thread that crashes is replaced by one that begins with the files of the intake.
 */
import { writeJson } from '../../core/text/json.js';
import { Worker } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import type { Opening } from '../../core/log.js';
import { roughly } from '../log/recognise.js';
import { Intake } from './intake.js';
import type { FromLog, RecordingMessage, ToLog } from './wire.js';
import type { LogWorkerData } from './worker.js';

export interface LogConnectionOptions {
  readonly dataDir: string;
  /** Path of the compiled `worker.ts`. */
  readonly module: string;
  readonly failed?: ((reason: unknown) => void) | undefined;
  /** Patterns of what may not be logged; applied by the log's thread. */
  readonly redact?: readonly string[] | undefined;
}

/** Characters sent at once: a request that looks something up in the log waits until they are committed. */
const GROUP_CHARS = 128 * 1024;
/** Fewer than that wait this long for others: nobody waits for their commit, and each commit has a cost of its own. */
const GROUP_MS = 10;
/**
 * With more than this in the intake and not sent, answers wait until some of it is committed: a log that cannot keep up
 * slows the gateway down, and whoever reads the log back does not wait for longer.
 */
const MAX_UNSENT_CHARS = 8 * 1024 * 1024;
/** A log thread that crashed this often in a row without committing anything will never commit it. */
const MAX_CRASHES = 2;

type Opened = Extract<FromLog, { type: 'opened' }>;

/** A message on its way into the intake, as JSON text. */
interface UnwrittenMessage {
  readonly recording: number;
  readonly text: string;
  readonly ends: boolean;
  /** The answer so far as its client has it, in any of its forms. */
  readonly answerText?: string | undefined;
  readonly resolve?: ((kept: boolean) => void) | undefined;
}

/** A line that is in the intake and not sent to the log's thread. */
interface UnsentLine {
  readonly number: number;
  /** Its messages with commas between, without brackets. */
  readonly text: string;
}

/** A recording that has begun and has no end yet. */
interface UnfinishedRecording {
  readonly texts: string[];
  answerText: string | undefined;
}

export class LogConnection {
  readonly #options: LogConnectionOptions;
  readonly #intake: Intake | undefined;
  #worker: Worker | undefined;
  /** Failures counted here, and those of log threads that have exited. */
  #ownFailures = 0;
  /** Failures of the present log thread, by its own count. */
  #workerFailures = 0;
  #lastNumber = 0;
  #unwritten: UnwrittenMessage[] = [];
  readonly #unfinished = new Map<number, UnfinishedRecording>();
  #unsent: UnsentLine[] = [];
  #unsentChars = 0;
  /** Number of the newest line that is in the intake, that is sent, and that is committed. */
  #newestWritten = 0;
  #newestSent = 0;
  #newestCommitted = 0;
  /**
   * Answers that are not committed, in any of their forms, with the number of the newest line they are part of, oldest
   * first: a conversation that contains one must not be looked up before that line is committed.
   */
  readonly #uncommittedAnswers = new Map<string, number>();
  #groupTimer: NodeJS.Timeout | undefined;
  /** Promises of messages that wait because of {@link MAX_UNSENT_CHARS}. */
  #slowedDown: (() => void)[] = [];
  /** Number of the newest line in the files that the present log thread began with. */
  #recoverTo = 0;
  #crashes = 0;
  #closing = false;
  readonly #awaitingCommit = new Map<number, (committed: boolean) => void>();
  readonly #awaitingOpened = new Map<
    number,
    { readonly resolve: (opened: Opened) => void; readonly opening: Opening }
  >();

  constructor(options: LogConnectionOptions) {
    this.#options = options;
    this.#intake =
      (options.redact ?? []).length > 0 ? undefined : new Intake(options.dataDir, () => this.#unfinishedLine());
    this.#worker = this.#startWorker([]);
  }

  get failures(): number {
    return this.#ownFailures + this.#workerFailures;
  }

  /** A number for a recording or a reply. */
  nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  post(message: RecordingMessage): void {
    const text = writeJson(message);
    this.#enqueue({ recording: message.recording, text, ends: message.type === 'finish' });
  }

  /** Resolves to whether the message is kept; never rejects. */
  postAndWait(message: RecordingMessage): Promise<boolean> {
    const { recording } = message;
    const text = writeJson(message);
    const ends = message.type === 'finish';
    const answerText = message.type === 'step' ? roughly(message.visible) : undefined;
    return new Promise((resolve) => this.#enqueue({ recording, text, ends, answerText, resolve }));
  }

  /** Never rejects: where the log cannot answer, the conversation is recorded as a new one. */
  open(message: { readonly type: 'open'; readonly recording: number; readonly opening: Opening }): Promise<Opened> {
    const replyId = this.nextNumber();
    this.#writeLine();
    // The answers of this conversation are sent first; other lines that wait do not concern it.
    const answeredIn = message.opening.messages.reduce(
      (last, past) =>
        past.role === 'assistant' ? Math.max(last, this.#uncommittedAnswers.get(roughly(past)) ?? 0) : last,
      0,
    );
    this.#sendLines(Number.POSITIVE_INFINITY, answeredIn);
    return new Promise((resolve) => {
      this.#awaitingOpened.set(replyId, { resolve, opening: message.opening });
      this.#postToWorker(writeJson([{ ...message, replyId } satisfies ToLog]), []);
    });
  }

  /** Resolves when everything posted so far is committed or counted as failed. */
  async flush(): Promise<void> {
    this.#sendAll();
    const replyId = this.nextNumber();
    await new Promise<boolean>((resolve) => {
      this.#awaitingCommit.set(replyId, resolve);
      this.#postToWorker(JSON.stringify([{ type: 'flush', replyId } satisfies ToLog]), [replyId]);
    });
    this.#intake?.discardCommitted(this.#newestCommitted, true);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#sendAll();
    this.#closing = true;
    const worker = this.#worker;
    if (worker !== undefined) {
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      this.#postToWorker(JSON.stringify([{ type: 'close' } satisfies ToLog]), []);
      await exited;
    }
    this.#intake?.close();
  }

  /** The messages of one turn of the event loop become one line, with one write. */
  #enqueue(message: UnwrittenMessage): void {
    this.#unwritten.push(message);
    if (this.#unwritten.length === 1) setImmediate(() => this.#writeLine());
  }

  #writeLine(): void {
    const messages = this.#unwritten;
    if (messages.length === 0) return;
    this.#unwritten = [];
    const text = messages.map((message) => message.text).join(',');
    const number = this.#newestWritten + 1;
    if (this.#intake?.append(`[${text}]`, number) !== true) return this.#sendWithoutIntake(messages);
    this.#newestWritten = number;
    this.#unsent.push({ number, text });
    this.#unsentChars += text.length;
    for (const message of messages) this.#trackRecording(message, number);
    const resolve = (): void => {
      for (const message of messages) message.resolve?.(true);
    };
    if (this.#unsentChars > MAX_UNSENT_CHARS) this.#slowedDown.push(resolve);
    else resolve();
    this.#sendNextGroup();
  }

  #trackRecording({ recording, text, ends, answerText }: UnwrittenMessage, line: number): void {
    let unfinished = this.#unfinished.get(recording);
    if (unfinished === undefined) this.#unfinished.set(recording, (unfinished = { texts: [], answerText }));
    unfinished.texts.push(text);
    unfinished.answerText = answerText ?? unfinished.answerText;
    if (unfinished.answerText !== undefined) {
      // Also for the end of an answer: a conversation continues an answer only when its end is committed, too.
      this.#uncommittedAnswers.delete(unfinished.answerText);
      this.#uncommittedAnswers.set(unfinished.answerText, line);
    }
    if (ends) this.#unfinished.delete(recording);
  }

  #unfinishedLine(): string | undefined {
    if (this.#unfinished.size === 0) return undefined;
    return `[${[...this.#unfinished.values()].flatMap(({ texts }) => texts).join(',')}]`;
  }

  /** Each message that somebody waits for gets a reply when it is committed. */
  #sendWithoutIntake(messages: readonly UnwrittenMessage[]): void {
    this.#sendAll();
    const replyIds: number[] = [];
    const texts = messages.map(({ text, resolve }) => {
      if (resolve === undefined) return text;
      const replyId = this.nextNumber();
      replyIds.push(replyId);
      this.#awaitingCommit.set(replyId, resolve);
      return `{"replyId":${replyId},${text.slice(1)}`;
    });
    for (const message of messages) if (message.ends) this.#unfinished.delete(message.recording);
    this.#postToWorker(`[${texts.join(',')}]`, replyIds);
  }

  /** One group at a time: lines that are written while it is committed are the next group. */
  #sendNextGroup(waited = false): void {
    if (this.#newestSent > this.#newestCommitted || this.#unsent.length === 0) return;
    if (waited || this.#unsentChars >= GROUP_CHARS) return this.#sendLines(GROUP_CHARS);
    this.#groupTimer ??= setTimeout(() => {
      this.#groupTimer = undefined;
      this.#sendNextGroup(true);
    }, GROUP_MS);
  }

  #sendAll(): void {
    this.#writeLine();
    this.#sendLines(Number.POSITIVE_INFINITY);
  }

  /** Sends lines up to number `last` until `maxChars` is reached. */
  #sendLines(maxChars: number, last = Number.POSITIVE_INFINITY): void {
    const texts: string[] = [];
    let chars = 0;
    let newest = 0;
    for (const line of this.#unsent) {
      if (chars >= maxChars || line.number > last) break;
      texts.push(line.text);
      chars += line.text.length;
      newest = line.number;
    }
    if (texts.length === 0) return;
    this.#unsent = this.#unsent.slice(texts.length);
    this.#unsentChars -= chars;
    this.#newestSent = newest;
    this.#postToWorker(`[${texts.join(',')},{"type":"commit","line":${newest}}]`, []);
  }

  #committed(line: number): void {
    this.#newestCommitted = Math.max(this.#newestCommitted, line);
    for (const [answerText, writtenIn] of this.#uncommittedAnswers) {
      if (writtenIn > this.#newestCommitted) break;
      this.#uncommittedAnswers.delete(answerText);
    }
    this.#crashes = 0;
    this.#intake?.discardCommitted(this.#newestCommitted);
    if (this.#unsentChars <= MAX_UNSENT_CHARS) for (const resolve of this.#slowedDown.splice(0)) resolve();
    this.#sendNextGroup();
  }

  #postToWorker(text: string, replyIds: readonly number[]): void {
    try {
      // As text: objects are cloned key by key, which took both threads together 44 us a request against 24.
      if (this.#closing && this.#worker === undefined) throw new Error('the log is closed');
      (this.#worker ??= this.#startWorker([])).postMessage(text);
    } catch (thrown) {
      this.#fail(thrown, replyIds, []);
      this.#restartWorker();
    }
  }

  #startWorker(recover: readonly string[]): Worker {
    const { dataDir, module, failed = () => undefined, redact = [] } = this.#options;
    const worker = new Worker(module, { workerData: { dataDir, redact, recover } satisfies LogWorkerData });
    worker.on('message', (message: FromLog) => {
      switch (message.type) {
        case 'results': {
          const { results } = message;
          for (let at = 0; at < results.length; at += 2) this.#reply(results[at] ?? 0, results[at + 1] === 1);
          return;
        }
        case 'opened':
          this.#awaitingOpened.get(message.replyId)?.resolve(message);
          this.#awaitingOpened.delete(message.replyId);
          return;
        case 'committed':
          return this.#committed(message.line);
        case 'recovered':
          this.#intake?.quarantine(message.damaged);
          return this.#committed(this.#recoverTo);
        case 'failed':
          this.#workerFailures = message.failures;
          return failed(message.reason);
        default:
          return message satisfies never;
      }
    });
    let fault: unknown;
    worker.on('error', (thrown) => (fault = thrown));
    worker.on('exit', (code) =>
      this.#workerExited(
        new Error(`the log's thread ended with ${code}${fault === undefined ? '' : `: ${reasonOf(fault)}`}`),
      ),
    );
    return worker;
  }

  #workerExited(reason: Error): void {
    this.#worker = undefined;
    this.#ownFailures += this.#workerFailures;
    this.#workerFailures = 0;
    if (this.#closing) return;
    this.#fail(reason, [...this.#awaitingCommit.keys()], [...this.#awaitingOpened.keys()]);
    this.#restartWorker();
  }

  /**
   * Starts a log thread that begins with the intake, where something in it is not committed or belongs to a recording
   * that is not finished.
   */
  #restartWorker(): void {
    const nothingToRecover = this.#newestCommitted === this.#newestWritten && this.#unfinished.size === 0;
    if (this.#closing || this.#intake === undefined || nothingToRecover) return;
    const files = this.#intake.rotate();
    this.#recoverTo = this.#newestWritten;
    this.#newestSent = this.#newestWritten;
    this.#unsent = [];
    this.#unsentChars = 0;
    for (this.#crashes += 1; this.#crashes <= MAX_CRASHES; this.#crashes += 1) {
      try {
        this.#worker = this.#startWorker(files);
        return;
      } catch (thrown) {
        this.#options.failed?.(thrown);
      }
    }
    this.#ownFailures += 1;
    this.#intake.quarantine(files);
    this.#committed(this.#newestWritten);
  }

  #reply(replyId: number, committed: boolean): void {
    this.#awaitingCommit.get(replyId)?.(committed);
    this.#awaitingCommit.delete(replyId);
  }

  /** Resolves the promises of these replies, which will not come: not committed, or opened as a new conversation. */
  #fail(reason: unknown, commits: readonly number[], openings: readonly number[]): void {
    this.#ownFailures += commits.length + openings.length;
    this.#options.failed?.(reason);
    for (const replyId of commits) this.#reply(replyId, false);
    for (const replyId of openings) {
      const waiting = this.#awaitingOpened.get(replyId);
      this.#awaitingOpened.delete(replyId);
      const trajectoryId = newId('traj', waiting?.opening.at);
      waiting?.resolve({ type: 'opened', replyId, trajectoryId, continued: false });
    }
  }
}
