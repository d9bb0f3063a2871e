/**
 * The log's own thread: has the store open and commits what the gateway's thread records, so that the gateway's thread
 * never waits for a commit.
 */
import { parseJson } from '../../core/text/json.js';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import { openStore } from '../file/db.js';
import { HeldRecordings } from './recordings.js';
import { recoverAbandoned, replay } from './recover.js';
import { openLog } from '../log/log.js';
import { forgetAbandoned } from '../log/open_recordings.js';
import type { FromLog, ToLog } from './wire.js';
import { redactorOf } from '../../core/text/redact.js';

/** `recover`: files of the gateway's own intake that the log thread before this one did not commit to their end. */
export interface LogWorkerData {
  readonly dataDir: string;
  readonly redact: readonly string[];
  readonly recover: readonly string[];
}

/** Where processor time is short, requests go first: a commit of what is in the intake can wait. */
const NICENESS = 10;

const { dataDir, redact, recover } = workerData as LogWorkerData;
const port = parentPort;
if (port === null) throw new Error('this module is a worker of the gateway and is not started by itself');

const store = openStore(dataDir);
/** At some hundred MiB, which are reached only when the folding thread has died: then this thread folds. */
store.sqlite.pragma('wal_autocheckpoint = 64000');
const folding = new Worker(new URL('../file/fold_worker.js', import.meta.url), { workerData: { dataDir } });
const post = (message: FromLog): void => port.postMessage(message);
const redactor = redactorOf(redact);
const log = openLog(store, {
  redactor,
  failed: (reason) => post({ type: 'failed', reason: reasonOf(reason), failures: log.failures }),
});
const held = new HeldRecordings();

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
  if (!held.has(recording)) log.fail(new Error('the log does not know any more what this is a part of'));
  const committed = write();
  if (replyId !== undefined) void committed.then((is) => postResult(replyId, is));
}

function handle(message: ToLog): void {
  switch (message.type) {
    case 'open': {
      const recording = log.open(message.opening);
      held.add(message.recording, recording);
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
    case 'begin':
      // A recording that `open` looked up is held already, and knows its trajectory.
      if (!held.has(message.recording))
        held.add(message.recording, log.begin(message.opening, message.trajectoryId), message.messages);
      return;
    case 'step':
      return record(message, () => held.step(message));
    case 'finish':
      return record(message, () => held.finish(message));
    case 'commit':
      void log.flush();
      return post({ type: 'committed', line: message.line });
    case 'flush':
      return void log.flush().then(() => postResult(message.replyId, true));
    case 'close':
      return void log
        .flush()
        .then(() => folding.terminate())
        .then(() => {
          store.close();
          port?.close();
        });
    default:
      return message satisfies never;
  }
}

const handleAll = (text: string): void => {
  for (const message of parseJson(text) as readonly ToLog[]) handle(message);
};

if (redact.length === 0) yieldProcessor();
try {
  forgetAbandoned(store.sqlite.name);
} catch (thrown) {
  log.fail(thrown);
}
const damaged = replay(store.db, log, recover, held);
if (recover.length > 0) post({ type: 'recovered', damaged });
for (const reason of recoverAbandoned(store, dataDir, redactor)) log.fail(reason);

port.on('message', (text: string) => {
  handleAll(text);
  // What has arrived meanwhile joins this commit; the commit waits for nothing else.
  for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
    handleAll(more.message as string);
  void log.flush();
});

/** Lowers the priority of this thread alone, where the system can tell threads apart. */
function yieldProcessor(): void {
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICENESS);
  } catch {
    // Elsewhere a priority belongs to the whole process.
  }
}
