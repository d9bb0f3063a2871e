/**
 * The log's own thread: has the store open and commits what the gateway's thread records, so that the gateway's thread
 * never waits for a commit. It does not wait for a lock either, but looks again: conversations are looked up meanwhile.
 */
import { parseJson } from '../../core/text/json.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import { giveMemoryBack } from '../../core/running/memory.js';
import { newId } from '../../core/ids.js';
import type { LogWait, WalSize } from '../../core/log.js';
import { yieldProcessor } from '../../core/running/process.js';
import { openBeside, type Store } from '../file/db.js';
import { isPassing, passingReason } from '../file/passing.js';
import { AnswerCount } from '../log/answer_count.js';
import type { LocalLog } from '../log/local.js';
import { linesAt } from '../intake/lines.js';
import { HeldRecordings } from './recordings.js';
import { recoverAbandoned, replay } from './recover.js';
import { openLog } from '../log/log.js';
import { PATIENCE_MS, type FromLog, type ToLog, type ToRead } from './wire.js';
import { redactorOf } from '../../core/text/redact.js';

export interface LogWorkerData {
  readonly dataDir: string;
  readonly redact: readonly string[];
  /** Files of the gateway's own intake that the log thread before this one did not commit to their end. */
  readonly recover: readonly string[];
  /** One before it ended without a word: what is recovered is committed one by one, and said before. */
  readonly careful: boolean;
  /** Recordings in these files that ended those before: they are set aside. */
  readonly leaveOut: readonly number[];
  /** Whose answers the ledger counts, and how many were numbered before. */
  readonly writer: string;
  readonly numbered: number;
}

/** Where processor time is short, requests go first: a commit of what is in the intake can wait. */
const NICENESS = 10;
/** So long a commit holds up this thread for another process's. */
const BUSY_MS = 100;
const RETRY_MS = 500;

const { dataDir, redact, recover, careful, leaveOut, writer, numbered } = workerData as LogWorkerData;
const port = parentPort;
if (port === null) throw new Error('this module is a worker of the gateway and is not started by itself');

const post = (message: FromLog): void => port.postMessage(message);
const waiting = (wait: LogWait | undefined): void => post({ type: 'waiting', wait });
const redactor = redactorOf(redact);
const held = new HeldRecordings();
/** The recordings of which something was refused. */
const refused = new Set<number>();

const refuse = (recording: number | undefined): void => {
  if (recording === undefined) return;
  refused.add(recording);
  post({ type: 'refused', recordings: [recording] });
};

let folding: Worker | undefined;
let closing = false;
const answerCount = new AnswerCount(writer, numbered);

/** All results of one commit go back in one message. */
let results: number[] = [];
const postResult = (replyId: number, committed: boolean): void => {
  if (results.length === 0) {
    process.nextTick(() => {
      post({ type: 'results', results });
      results = [];
    });
  }
  results.push(replyId, committed ? 1 : 0);
};

/** A fault is counted here, because nobody waits for the result of a message that is in the intake. */
function record(
  { recording, replyId }: { readonly recording: number; readonly replyId?: number | undefined },
  write: () => Promise<boolean>,
): void {
  if (!held.has(recording)) {
    log.fail(new Error('the log does not know any more what this is a part of'));
    refuse(recording);
  }
  const committed = write();
  if (replyId !== undefined) void committed.then((is) => postResult(replyId, is));
}

function handle(message: ToLog): void {
  switch (message.type) {
    case 'open': {
      const recording = log.open(message.opening);
      held.add(message.recording, recording, message.opening.responseId);
      const { trajectoryId, continued, messages, past } = recording;
      return post({
        type: 'opened',
        replyId: message.replyId,
        trajectoryId,
        continued,
        messages: messages === message.opening.messages ? undefined : messages,
        past,
      });
    }
    case 'begin': {
      const { recording, opening, trajectoryId, messages } = message;
      // A recording that `open` looked up is held already, and knows its trajectory; whoever could not wait for that
      // has begun another.
      const looked = held.trajectoryOf(recording);
      if (looked !== undefined && looked !== trajectoryId) log.abandon(looked);
      if (looked !== trajectoryId) held.add(recording, log.begin(opening, trajectoryId), opening.responseId, messages);
      return;
    }
    case 'step':
      return record(message, () => held.step(message));
    case 'finish':
      return record(message, () => finish(message));
    case 'commit':
      return void log.flush().then(() => {
        const { sealed } = log;
        post({ type: 'committed', line: message.line, sealed, excused: answerCount.excused });
      });
    case 'flush':
      return void log.flush().then(() => postResult(message.replyId, true));
    case 'close':
      closing = true;
      return void log
        .flush()
        .then(() => folding?.terminate())
        .then(() => {
          store.close();
          port?.close();
        });
    default:
      return message satisfies never;
  }
}

function finish(message: Extract<ToLog, { readonly type: 'finish' }>): Promise<boolean> {
  const { recording, number } = message;
  if (number !== undefined && !held.has(recording)) answerCount.excuse(number);
  // What was set aside of it has no end yet.
  if (refused.has(recording)) refuse(recording);
  return held.finish(message).finally(() => refused.delete(recording));
}

/** What arrives before the log can take it. */
let arrived: ToLog[] | undefined = [];
let patient = true;

/** What was sent and cannot be read just now, with all that was sent after it. */
let unread: string[] | undefined;

/** Messages, or where they stand: what is in the intake is not sent as well. */
function receive(text: string): void {
  if (unread !== undefined) {
    unread.push(text);
    return;
  }
  if (text.startsWith('[')) return take(text);
  const { at, line } = JSON.parse(text) as ToRead;
  let lines: readonly string[];
  try {
    lines = at.flatMap((fd, index) => (index % 3 === 0 ? linesAt(fd, at[index + 1] ?? 0, at[index + 2] ?? 0) : []));
  } catch (thrown) {
    unread = [text];
    waiting({ since: Date.now(), reason: passingReason(thrown, dataDir) });
    setTimeout(readAgain, RETRY_MS);
    return;
  }
  lines.forEach(take);
  take(`[{"type":"commit","line":${line}}]`);
}

function take(text: string): void {
  for (const message of parseJson(text) as readonly ToLog[]) {
    if (arrived === undefined) handle(message);
    else if (message.type === 'open' && !patient) openAsNew(message);
    else arrived.push(message);
  }
}

function readAgain(): void {
  const again = unread ?? [];
  unread = undefined;
  for (const text of again) receive(text);
  if (unread !== undefined) return;
  waiting(undefined);
  if (arrived === undefined) void log.flush();
}

/** Whoever waits to be answered does not wait until a lock has ended: his conversation is recorded as a new one. */
function openAsNew({ replyId, opening }: Extract<ToLog, { readonly type: 'open' }>): void {
  post({ type: 'opened', replyId, trajectoryId: newId('traj', opening.at), continued: false });
}

/** Tried until it works, where what keeps it from working passes. */
async function untilItWorks<T>(work: () => T): Promise<T> {
  for (let wait: LogWait | undefined; ;) {
    try {
      const made = work();
      if (wait !== undefined) waiting(undefined);
      return made;
    } catch (thrown) {
      if (!isPassing(thrown)) throw thrown;
      if (wait === undefined) waiting((wait = { since: Date.now(), reason: passingReason(thrown, dataDir) }));
      await sleep(RETRY_MS);
    }
  }
}

/** Resolves when the folding thread has its files open; one that ends is replaced. */
function startFolding(): Promise<void> {
  return new Promise((resolve) => {
    const again = (reason: unknown): void => {
      if (closing) return;
      log.fail(reason);
      setTimeout(() => void startFolding().then(resolve), RETRY_MS);
    };
    try {
      const thread = new Worker(new URL('../file/fold_worker.js', import.meta.url), { workerData: { dataDir } });
      let fault: unknown;
      thread.on('message', (size: WalSize) => {
        resolve();
        post({ type: 'wal', size });
      });
      thread.on('error', (thrown) => (fault = thrown));
      thread.on('exit', (code) => again(new Error(`folding ended with ${code}: ${reasonOf(fault)}`)));
      folding = thread;
    } catch (thrown) {
      again(thrown);
    }
  });
}

if (redact.length === 0) yieldProcessor(NICENESS);
giveMemoryBack();
port.on('message', (text: string) => {
  receive(text);
  // What has arrived meanwhile joins this commit; the commit waits for nothing else.
  for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
    receive(more.message as string);
  if (arrived === undefined) void log.flush();
});
const patience = setTimeout(() => {
  patient = false;
  for (const message of arrived ?? []) if (message.type === 'open') openAsNew(message);
  arrived = arrived?.filter(({ type }) => type !== 'open');
}, PATIENCE_MS);

const store: Store = await untilItWorks(() => openBeside(dataDir, { busyMs: BUSY_MS }));
const log: LocalLog = openLog(store, {
  redactor,
  failed: (reason) => post({ type: 'failed', reason: reasonOf(reason), failures: log.failures }),
  waiting,
  patienceMs: Number.POSITIVE_INFINITY,
  refused: (responseId) => refuse(held.numberOf(responseId)),
  answerCount,
});
log.begins();
await startFolding();
post({ type: 'ready' });

const damaged = await replay(store.db, log, recover, {
  held,
  leaveOut: new Set(leaveOut),
  ...(careful ? { begins: (recording) => post({ type: 'inHand', recording }) } : {}),
});
if (recover.length > 0) post({ type: 'recovered', damaged });
for (const reason of await recoverAbandoned(store, dataDir, {
  redactor,
  waiting,
  patienceMs: Number.POSITIVE_INFINITY,
}))
  log.fail(reason);
answerCount.start();
clearTimeout(patience);
const before = arrived ?? [];
arrived = undefined;
for (const message of before) handle(message);
void log.flush();
