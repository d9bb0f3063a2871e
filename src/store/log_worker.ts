/** The log's own thread: holds the store and writes what it is told, so that the gateway's thread never waits for a commit. */
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';

import { reasonOf } from '../core/errors.js';
import type { Thread } from '../core/log.js';
import type { Message } from '../core/message.js';
import type { FunctionSpec } from '../core/policy.js';
import { openStore } from './db.js';
import { openLog } from './log.js';
import type { FromLog, Numbers, ToLog } from './log_words.js';
import { redactorOf } from './redact.js';
import { viewF32, viewU32 } from './tokens.js';

const { dataDir, redact } = workerData as { readonly dataDir: string; readonly redact: readonly string[] };
const port = parentPort;
if (port === null) throw new Error('this module is a worker of the gateway and is not started by itself');

const store = openStore(dataDir);
/** Only should the thread that folds it in be gone does this one have to, at some hundred MiB. */
store.sqlite.pragma('wal_autocheckpoint = 64000');
const folding = new Worker(new URL('./checkpoint_worker.js', import.meta.url), { workerData: { dataDir } });
const say = (words: FromLog): void => port.postMessage(words);
const log = openLog(store, { redactor: redactorOf(redact), failed: (reason) => say({ say: 'failed', reason: reasonOf(reason), failures: log.failures }) });

interface Held {
  readonly thread: Thread;
  /** What has been said in it, as the policy sees it: the very objects that were hashed. */
  messages: readonly Message[];
}
const threads = new Map<number, Held>();

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

const TOOL_SETS = 256;
const toolSets = new Map<string, readonly FunctionSpec[]>();

/** The same list for the same text, so that its hash is made once. */
function toolsOf(json: string): readonly FunctionSpec[] {
  let tools = toolSets.get(json);
  if (tools === undefined) {
    tools = JSON.parse(json) as readonly FunctionSpec[];
    if (toolSets.size >= TOOL_SETS) toolSets.clear();
    toolSets.set(json, tools);
  }
  return tools;
}

/** Typed arrays for lists: all that is asked of them here is their length and the number at a place. */
function unpacked(step: Extract<ToLog, { say: 'step' }>['step'], { prompt, ids, logprobs }: Numbers): Extract<ToLog, { say: 'step' }>['step'] {
  const { action } = step;
  if (action === undefined) return step;
  return {
    ...step,
    action: {
      ...action,
      ...(prompt === undefined ? {} : { promptTokenIds: viewU32(Buffer.from(prompt, 'base64')) as unknown as readonly number[] }),
      ...(ids === undefined ? {} : { tokenIds: viewU32(Buffer.from(ids, 'base64')) as unknown as readonly number[] }),
      ...(logprobs === undefined ? {} : { logprobs: viewF32(Buffer.from(logprobs, 'base64')) as unknown as readonly number[] }),
    },
  };
}

function hear(words: ToLog): void {
  switch (words.say) {
    case 'open': {
      const thread = log.open(words.opening);
      threads.set(words.thread, { thread, messages: thread.messages });
      const { trajectoryId, continued, messages } = thread;
      return say({ say: 'opened', ask: words.ask, trajectoryId, continued, ...(messages === words.opening.messages ? {} : { messages }) });
    }
    case 'begin': {
      const thread = log.begin(words.opening, words.trajectoryId);
      threads.set(words.thread, { thread, messages: thread.messages });
      return;
    }
    case 'step': {
      const held = threads.get(words.thread);
      if (held === undefined) return done(words.ask, false);
      const messages = words.known === held.messages.length && words.added.length === 0 ? held.messages : [...held.messages.slice(0, words.known), ...words.added];
      held.messages = words.step.appended.length === 0 ? messages : [...messages, ...words.step.appended];
      const step = words.numbers === undefined ? words.step : unpacked(words.step, words.numbers);
      return void held.thread.step({ ...step, messages, tools: toolsOf(words.tools) }, words.visible).then((committed) => done(words.ask, committed));
    }
    case 'finish': {
      const held = threads.get(words.thread);
      threads.delete(words.thread);
      if (held === undefined) return done(words.ask, false);
      return void held.thread.finish(words.ending).then((committed) => done(words.ask, committed));
    }
    case 'flush':
      return void log.flush().then(() => done(words.ask, true));
    case 'close':
      return void log.flush().then(() => folding.terminate()).then(() => {
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

port.on('message', (batch: string) => {
  hearAll(batch);
  // What came meanwhile is company for this commit; nobody else is to be waited for.
  for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) hearAll(more.message as string);
  void log.flush();
});
