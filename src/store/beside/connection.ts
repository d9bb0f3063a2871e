/**
 * The connection to the log's thread. A message is in the intake when its promise resolves, and is committed soon
 * after, in groups: nobody waits for that. Where there is no intake, or it cannot be written, the promise waits for the
 * commit instead. While the database cannot be written for a fault that passes, everything stays in the intake. A log
 * thread that crashes is replaced by one that begins with the files of the intake.
 */
import { writeJson } from '../../core/text/json.js';

import type { GyreError } from '../../core/errors.js';
import { hangs } from '../../core/running/within.js';
import { logWaits, type LogState, type Opening } from '../../core/log.js';
import { isPassing } from '../file/passing.js';
import { roughly } from '../log/recognise.js';
import { Backlog, GROUP_BYTES, MAX_UNSENT_BYTES } from './backlog.js';
import { AcknowledgedFile } from '../intake/acknowledged.js';
import { Crashes } from './crashes.js';
import { HeadFile } from '../intake/heads.js';
import type { UnwrittenMessage } from './held.js';
import { Intake } from './intake.js';
import { closeOwner, newOwner } from '../intake/files.js';
import { Lines } from './lines.js';
import { type Opened, Replies } from './replies.js';
import { Silence } from './silence.js';
import { LogThread, type LogThreadOptions } from './thread.js';
import { Uncommitted } from './uncommitted.js';
import { Waiting } from './waiting.js';
import { WalWatch } from './wal.js';
import { readMessage, visibleIn, type FromLog, type RecordingMessage, type ToLog } from './wire.js';

export interface LogConnectionOptions extends LogThreadOptions {
  readonly failed?: ((reason: unknown) => void) | undefined;
  /** Told an operator: that the log waits, that it goes on, that its files grow. */
  readonly warn?: ((text: string) => void) | undefined;
}

/** Fewer than a group wait so long for others: nobody waits for their commit, and each commit has its cost. */
const GROUP_MS = 10;
/** So long until a thread that is stuck is left to itself; what it has not committed is in the intake. */
const END_MS = 1_000;
export class LogConnection {
  readonly #options: LogConnectionOptions;
  readonly #owner = newOwner();
  readonly #intake: Intake | undefined;
  readonly #heads: HeadFile;
  readonly #acknowledged: AcknowledgedFile | undefined;
  readonly #thread: LogThread;
  readonly #waiting: Waiting;
  readonly #lines: Lines;
  readonly #backlog = new Backlog();
  readonly #uncommitted = new Uncommitted();
  /** Failures counted here, and those of log threads that have exited. */
  #ownFailures = 0;
  /** Failures of the present log thread, by its own count. */
  #workerFailures = 0;
  #groupTimer: NodeJS.Timeout | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  /** Another log thread begins when something large is written. */
  #restarting: Promise<void> | undefined;
  /** Number of the newest line in the files that the present log thread began with. */
  #recoverTo = 0;
  readonly #crashes = new Crashes();
  #closing = false;
  readonly #silence: Silence;
  readonly #wal: WalWatch;
  /** Recordings that are to be set aside as soon as that can be written. */
  readonly #toSetAside = new Set<number>();
  readonly #replies = new Replies();

  constructor(options: LogConnectionOptions) {
    this.#options = options;
    this.#intake =
      (options.redact ?? []).length > 0
        ? undefined
        : new Intake(options.dataDir, () => this.#uncommitted.unfinished(), this.#owner);
    this.#heads = new HeadFile(options.dataDir, this.#owner);
    this.#acknowledged = this.#intake && new AcknowledgedFile(options.dataDir, this.#owner);
    this.#wal = new WalWatch((text) => options.warn?.(text));
    this.#waiting = new Waiting({
      // Whoever waits for a commit has waited for long enough.
      impatient: () => {
        this.#lines.letGo();
        this.#replies.letGo();
      },
      warn: (text) => options.warn?.(text),
      waits: () => this.state.uncommitted,
    });
    this.#silence = new Silence(this.#waiting, {
      expects: () => this.#uncommitted.sent > this.#uncommitted.committed || this.#replies.any,
      silent: () => this.#replies.openAllAsNew(),
      behind: () => this.#backlog.bytes > MAX_UNSENT_BYTES,
    });
    this.#lines = new Lines({
      intake: this.#intake,
      backlog: this.#backlog,
      uncommitted: this.#uncommitted,
      waiting: this.#waiting,
      blocked: () => this.#blocked,
      paused: () => this.#restarting,
      direct: (messages, texts) => this.#sendWithoutIntake(messages, texts),
      written: () => this.#sendNextGroup(),
      dropped: (recordings) => {
        this.#ownFailures += recordings;
        options.failed?.(new Error('neither the intake nor the database can be written, and memory is used up'));
      },
    });
    this.#thread = new LogThread(options, {
      message: (message) => this.#hear(message),
      exited: (reason, fault) => this.#workerExited(reason, fault),
    });
    this.#startWorker([]);
  }

  get failures(): number {
    return this.#ownFailures + this.#workerFailures;
  }

  get ready(): Promise<void> {
    return this.#thread.ready;
  }

  get state(): LogState {
    const { answers, bytes } = this.#uncommitted;
    const held = this.#lines.waiting;
    return {
      wait: this.#waiting.wait,
      uncommitted: { answers: answers + held.answers, bytes: bytes + held.bytes },
      wal: this.#wal.size,
    };
  }

  /** Only where neither intake nor database takes anything. */
  refusal(): GyreError | undefined {
    const { wait } = this.#waiting;
    if (wait === undefined || this.#intake?.canWrite() === true) return undefined;
    return logWaits(wait, 'The answer could not be logged');
  }

  /** A number for a recording or a reply. */
  nextNumber(): number {
    return this.#replies.next();
  }

  post(message: RecordingMessage): void {
    this.#lines.add(message, false);
  }

  /** Resolves to whether the message is kept; never rejects. */
  postAndWait(message: RecordingMessage, numbered: boolean): Promise<boolean> {
    const answerText = message.type === 'step' ? roughly(visibleIn(message)) : undefined;
    return new Promise((resolve) => this.#lines.add(message, numbered, answerText, resolve));
  }

  /** Never rejects: where the log cannot answer, the conversation is recorded as a new one. */
  async open(message: {
    readonly type: 'open';
    readonly recording: number;
    readonly opening: Opening;
  }): Promise<Opened> {
    const { opening } = message;
    await this.#lines.under;
    this.#lines.write();
    // The answers of this conversation are committed first; other lines that wait do not concern it.
    const line = this.#uncommitted.newestLineOf(opening.messages);
    if (line > 0) {
      if (!this.#blocked && this.#backlog.bytesTo(line) <= MAX_UNSENT_BYTES)
        this.#sendLines(Number.POSITIVE_INFINITY, line);
      await this.#waiting.until(() => this.#uncommitted.committed >= line);
    }
    return new Promise((resolve) => {
      const replyId = this.#replies.awaitOpened(opening, resolve);
      if (this.#isRestarting || this.#silence.is) this.#replies.openAsNew(replyId);
      else this.#postToWorker(writeJson([{ ...message, replyId } satisfies ToLog]));
    });
  }

  /** Resolves when everything posted so far is committed or counted as failed; rejects where that has to wait. */
  async flush(): Promise<void> {
    await this.#lines.settle();
    const line = this.#uncommitted.written;
    if (!this.#blocked) this.#sendLines(Number.POSITIVE_INFINITY, line);
    let replied = false;
    if (!this.#waiting.over && !this.#isRestarting)
      await new Promise<void>((resolve) => {
        const replyId = this.#replies.awaitCommit((committed) => {
          replied = committed;
          resolve();
        });
        this.#postToWorker(JSON.stringify([{ type: 'flush', replyId } satisfies ToLog]));
      });
    if (!replied || this.#uncommitted.committed < line) {
      await this.#waiting.until(() => this.#uncommitted.committed >= line);
      const { wait } = this.#waiting;
      if (wait !== undefined) throw logWaits(wait, 'The log cannot be read back yet');
    }
    await this.#discard(true);
  }

  /** What cannot be committed for a fault that has not passed stays in the intake. */
  async close(): Promise<void> {
    await this.#lines.settle();
    if (this.#closing) return;
    if (!this.#blocked) this.#sendLines(Number.POSITIVE_INFINITY);
    this.#closing = true;
    clearTimeout(this.#restartTimer);
    this.#lines.close();
    clearTimeout(this.#groupTimer);
    if (this.#thread.running) {
      this.#postToWorker(JSON.stringify([{ type: 'close' } satisfies ToLog]));
      await Promise.race([this.#thread.exited, this.#waiting.untilOver()]);
      await hangs(this.#thread.end(), END_MS);
    }
    this.#silence.close();
    this.#waiting.close();
    const lost = this.#lines.waiting.answers + this.#replies.commits;
    if (lost > 0) {
      this.#ownFailures += lost;
      this.#options.failed?.(new Error(`${lost} answers were not logged when the gateway stopped`));
    }
    this.#replies.fail();
    this.#heads.close();
    this.#acknowledged?.close();
    if (this.#intake === undefined) closeOwner(this.#owner);
    this.#intake?.close();
  }

  /** Nothing can be sent to be committed: it would lie in the log thread's memory until a fault has passed. */
  get #blocked(): boolean {
    return this.#waiting.wait !== undefined || this.#isRestarting;
  }

  get #isRestarting(): boolean {
    return this.#restartTimer !== undefined || this.#restarting !== undefined;
  }

  #sendWithoutIntake(messages: readonly UnwrittenMessage[], texts: readonly string[]): void {
    this.#acknowledged?.giveUp();
    this.#sendLines(Number.POSITIVE_INFINITY);
    const asked = this.#replies.textsOf(messages, texts);
    for (const message of messages) if (message.ends) this.#uncommitted.forget(message.recording);
    this.#postToWorker(`[${asked.join(',')}]`);
  }

  /** One group at a time: lines that are written while it is committed are the next group. */
  #sendNextGroup(waited = false): void {
    this.#acknowledged?.written(this.#lines.numbered);
    if (this.#closing || this.#uncommitted.sent > this.#uncommitted.committed || this.#backlog.bytes === 0) return;
    if (this.#isRestarting) return;
    if (waited || this.#backlog.bytes >= GROUP_BYTES)
      return this.#sendLines(this.#waiting.wait === undefined ? GROUP_BYTES : 8 * GROUP_BYTES);
    this.#groupTimer ??= setTimeout(() => {
      this.#groupTimer = undefined;
      this.#sendNextGroup(true);
    }, GROUP_MS);
  }

  /** Has lines read up to number `last`, until there are `maxBytes`. */
  #sendLines(maxBytes: number, last = Number.POSITIVE_INFINITY): void {
    const taken = this.#backlog.take(maxBytes, last);
    if (taken === undefined) return;
    this.#uncommitted.sending(taken.group);
    this.#postToWorker(readMessage(taken.places, taken.group.newest));
  }

  #committed(line: number): void {
    this.#acknowledged?.committed(this.#uncommitted.numberedTo(line) ?? 0);
    this.#uncommitted.settled(line);
    this.#crashes.committed();
    if (this.#backlog.bytes <= MAX_UNSENT_BYTES) this.#waiting.caughtUp();
    this.#waiting.look();
    void this.#discard(false);
    // While it catches up each answer waits for one commit, and not until all is committed.
    if (this.#waiting.wait !== undefined || this.#backlog.bytes <= MAX_UNSENT_BYTES) this.#lines.faster();
    this.#lines.write();
  }

  /** Lines leave the intake only when they are committed, or kept in a file of their own. */
  #discard(completely: boolean): Promise<void> | undefined {
    if (this.#toSetAside.size > 0) {
      if (this.#intake?.setAside(this.#toSetAside) === false) return undefined;
      this.#toSetAside.clear();
    }
    return this.#intake?.discardCommitted(this.#uncommitted.committed, completely);
  }

  #hear(message: FromLog): void {
    this.#silence.heard(message);
    switch (message.type) {
      case 'ready':
        return;
      case 'results':
        return this.#replies.results(message.results);
      case 'opened':
        return this.#replies.opened(message);
      case 'committed': {
        const { line, sealed, excused } = message;
        const numbered = this.#uncommitted.numberedTo(line);
        if (sealed !== undefined && numbered !== undefined)
          this.#heads.write({ ...sealed, writer: this.#thread.writer, answers: numbered - excused });
        return this.#committed(line);
      }
      case 'refused':
        for (const recording of message.recordings) this.#toSetAside.add(recording);
        if (this.#intake?.setAside(this.#toSetAside) === true) this.#toSetAside.clear();
        return;
      case 'inHand':
        return this.#crashes.begins(message.recording);
      case 'recovered':
        this.#crashes.recovered();
        this.#intake?.quarantine(message.damaged);
        return this.#committed(this.#recoverTo);
      case 'waiting':
        if (message.wait !== undefined) return this.#waiting.begin(message.wait);
        this.#waiting.end(this.#backlog.bytes > MAX_UNSENT_BYTES);
        return this.#lines.write();
      case 'wal':
        return this.#wal.hear(message.size);
      case 'failed':
        this.#workerFailures = message.failures;
        return this.#options.failed?.(message.reason);
      default:
        return message satisfies never;
    }
  }

  #postToWorker(text: string): void {
    try {
      if (this.#closing && !this.#thread.running) throw new Error('the log is closed');
      if (!this.#thread.running) this.#startWorker([]);
      this.#thread.post(text);
      this.#silence.expect();
    } catch (thrown) {
      this.#fail(thrown);
      this.#restartWorker(thrown);
    }
  }

  #startWorker(recover: readonly string[]): void {
    this.#thread.start({ recover, ...this.#crashes.next, writer: newOwner(), numbered: this.#lines.numbered });
  }

  #workerExited(reason: Error, fault: unknown): void {
    this.#silence.heard({ type: 'waiting' }); // another one says what it waits for
    this.#ownFailures += this.#workerFailures;
    this.#workerFailures = 0;
    if (this.#closing) return;
    this.#fail(reason);
    this.#restartWorker(fault);
  }

  /**
   * Starts a log thread that begins with the intake, where something in it is not committed or belongs to a recording
   * that is not finished.
   */
  #restartWorker(fault: unknown): void {
    if (this.#closing || (this.#thread.isReady && (this.#intake === undefined || this.#uncommitted.nothing))) return;
    const busy = this.#lines.under ?? this.#intake?.busy;
    if (busy !== undefined) {
      this.#restarting = busy.then(() => {
        this.#restarting = undefined;
        this.#restartWorker(fault);
        this.#lines.write();
      });
      return;
    }
    const ending = this.#crashes.ended(fault);
    if (ending !== undefined) {
      this.#ownFailures += 1;
      this.#toSetAside.add(ending);
    }
    const files = this.#intake?.rotate() ?? [];
    this.#recoverTo = this.#uncommitted.written;
    this.#backlog.clear();
    this.#uncommitted.sendingAll();
    if (this.#crashes.hopeless) {
      this.#thread.fail(fault);
      this.#ownFailures += 1;
      this.#intake?.quarantine(files);
      return this.#committed(this.#uncommitted.written);
    }
    const start = (): void => {
      this.#restartTimer = undefined;
      try {
        this.#startWorker(files);
        this.#waiting.end(false);
      } catch (thrown) {
        this.#options.failed?.(thrown);
        this.#restartWorker(thrown);
      }
    };
    if (!isPassing(fault)) return start();
    this.#waiting.begin({ since: Date.now(), reason: `the log's thread could not go on: ${String(fault)}` });
    this.#restartTimer ??= setTimeout(start, this.#crashes.pauseMs);
  }

  /** Nobody replies any more to what was sent. */
  #fail(reason: unknown): void {
    this.#ownFailures += this.#replies.fail();
    this.#options.failed?.(reason);
  }
}
