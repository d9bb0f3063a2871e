/**
 * The log's own thread: holds the store and commits what it is told, so that the gateway's thread never waits for a
 * commit.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import { openStore } from '../file/db.js';
import { HeldThreads } from './held.js';
import { sayAgain, settleLeft } from './recover.js';
import { openLog } from '../log/log.js';
import type { FromLog, ToLog } from './wire.js';
import { redactorOf } from '../../core/text/redact.js';

/** `recover`: files of the gateway's own intake that the thread before this one did not come to the end of. */
export interface LogWorkerData {
  readonly dataDir: string;
  readonly redact: readonly string[];
  readonly recover: readonly string[];
}

/** Where a processor is short, requests go first: what is in the intake can wait. */
const NICENESS = 10;

const { dataDir, redact, recover } = workerData as LogWorkerData;
const port = parentPort;
if (port === null) throw new Error('this module is a worker of the gateway and is not started by itself');

const store = openStore(dataDir);
/** Only should the thread that folds it in be gone does this one have to, at some hundred MiB. */
store.sqlite.pragma('wal_autocheckpoint = 64000');
const folding = new Worker(new URL('../file/fold_worker.js', import.meta.url), { workerData: { dataDir } });
const say = (words: FromLog): void => port.postMessage(words);
const redactor = redactorOf(redact);
const log = openLog(store, {
  redactor,
  failed: (reason) => say({ say: 'failed', reason: reasonOf(reason), failures: log.failures }),
});
const held = new HeldThreads();

/** Everything a commit has settled goes back in one message. */
let settled: number[] = [];
const done = (ask: number, committed: boolean): void => {
  if (settled.length === 0) {
    process.nextTick(() => {
      say({ say: 'done', asks: settled });
      settled = [];
    });
  }
  settled.push(ask, committed ? 1 : 0);
};

/** Nobody waits for what is in the intake: a fault is counted where it is met. */
function answer(
  { thread, ask }: { readonly thread: number; readonly ask?: number | undefined },
  committed: () => Promise<boolean>,
): void {
  if (!held.has(thread)) log.fail(new Error('the log does not know any more what this is a part of'));
  const kept = committed();
  if (ask !== undefined) void kept.then((is) => done(ask, is));
}

function hear(words: ToLog): void {
  switch (words.say) {
    case 'open': {
      const thread = log.open(words.opening);
      held.add(words.thread, thread);
      const { trajectoryId, continued, messages } = thread;
      return say({
        say: 'opened',
        ask: words.ask,
        trajectoryId,
        continued,
        ...(messages === words.opening.messages ? {} : { messages }),
      });
    }
    case 'begin':
      // One that was opened here has its place.
      if (!held.has(words.thread)) held.add(words.thread, log.begin(words.opening, words.trajectoryId), words.messages);
      return;
    case 'step':
      return answer(words, () => held.step(words));
    case 'finish':
      return answer(words, () => held.finish(words));
    case 'settle':
      void log.flush();
      return say({ say: 'settled', number: words.number });
    case 'flush':
      return void log.flush().then(() => done(words.ask, true));
    case 'close':
      return void log
        .flush()
        .then(() => folding.terminate())
        .then(() => {
          store.close();
          port?.close();
        });
    default:
      return words satisfies never;
  }
}

const hearAll = (batch: string): void => {
  for (const words of JSON.parse(batch) as readonly ToLog[]) hear(words);
};

if (redact.length === 0) yieldProcessor();
const broken = sayAgain(store.db, log, recover, held);
if (recover.length > 0) say({ say: 'recovered', broken });
for (const reason of settleLeft(store, dataDir, redactor)) log.fail(reason);

port.on('message', (batch: string) => {
  hearAll(batch);
  // What came meanwhile is company for this commit; nobody else is to be waited for.
  for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
    hearAll(more.message as string);
  void log.flush();
});

/** This thread alone, where the system can tell threads apart. */
function yieldProcessor(): void {
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICENESS);
  } catch {
    // Elsewhere all threads are alike.
  }
}
