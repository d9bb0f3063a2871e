/**
 * The step log in a thread of its own: the gateway's thread hands over what happened, once per turn of its
 * event loop, and hears when it is committed. Nothing of SQLite runs here. A log thread that dies is
 * counted and replaced; what it had not committed is told as lost, never as kept.
 */
import { Worker } from 'node:worker_threads';

import { reasonOf } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { Opening, StepLog, Thread } from '../core/log.js';
import type { AssistantMessage, Message } from '../core/message.js';
import type { Action, FunctionSpec } from '../core/policy.js';
import type { Ending, Step } from '../core/trajectory.js';
import type { FromLog, Numbers, ToLog } from './log_words.js';
import { packF32, packU32 } from './tokens.js';

export interface BesideOptions {
  readonly dataDir: string;
  /** The compiled `log_worker`. */
  readonly module: string;
  readonly failed?: (reason: unknown) => void;
  /** Patterns of what may not be logged; applied over there. */
  readonly redact?: readonly string[];
}

export interface LogBeside extends StepLog {
  /** Everything is committed and the store is let go of when it resolves. */
  close(): Promise<void>;
}

/** With so many waiting for a commit already, another is in no hurry: fewer and larger commits are what they all gain by. */
const CROWD = 8;
const GATHER_MS = 1;

type Opened = Extract<FromLog, { say: 'opened' }>;

export function openLogBeside(options: BesideOptions): LogBeside {
  const link = new Link(options);
  const redacts = (options.redact ?? []).length > 0;
  return {
    open(asked: Opening): Thread | Promise<Thread> {
      // Only a redactor looks at it.
      const opening = redacts || asked.forwarded === undefined ? asked : { ...asked, forwarded: undefined };
      const thread = link.number();
      // Only an answer that was given before can be gone on from.
      if (opening.origin === 'live' && opening.messages.some(({ role }) => role === 'assistant')) {
        return link.open({ say: 'open', thread, opening }).then(({ trajectoryId, continued, messages = opening.messages }) => new FarThread(link, thread, { trajectoryId, continued, messages }));
      }
      const trajectoryId = newId('traj', opening.at);
      link.post({ say: 'begin', thread, opening, trajectoryId });
      return new FarThread(link, thread, { trajectoryId, continued: false, messages: opening.messages });
    },
    get failures(): number {
      return link.failures;
    },
    async flush() {
      await link.ask({ say: 'flush' });
    },
    close: () => link.close(),
  };
}

class FarThread implements Thread {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly #link: Link;
  readonly #number: number;
  /** What the other side has of this thread, object by object. */
  #said: readonly Message[];

  constructor(link: Link, number: number, { trajectoryId, continued, messages }: Pick<Thread, 'trajectoryId' | 'continued' | 'messages'>) {
    this.trajectoryId = trajectoryId;
    this.continued = continued;
    this.messages = messages;
    this.#link = link;
    this.#number = number;
    this.#said = messages;
  }

  step({ messages, tools, ...step }: Step, visible: AssistantMessage): Promise<boolean> {
    let known = 0;
    while (known < messages.length && messages[known] === this.#said[known]) known += 1;
    this.#said = step.appended.length === 0 ? messages : [...messages, ...step.appended];
    const { action, ...rest } = step;
    const words = { say: 'step' as const, thread: this.#number, known, added: messages.slice(known), tools: toolsJson(tools), visible };
    return this.#link.ask(action === undefined ? { ...words, step: rest } : { ...words, ...packed(rest, action) });
  }

  finish(ending: Ending): Promise<boolean> {
    return this.#link.ask({ say: 'finish', thread: this.#number, ending });
  }
}

/** Words that are answered, before they have their number. */
type Asking = { readonly [W in ToLog['say']]: Extract<ToLog, { say: W }> extends { readonly ask: number } ? Omit<Extract<ToLog, { say: W }>, 'ask'> : never }[ToLog['say']];

class Link {
  readonly #options: BesideOptions;
  #worker: Worker | undefined;
  /** Failures told on this side, and those of log threads that are gone. */
  #lost = 0;
  /** Failures of the present log thread, by its own count. */
  #counted = 0;
  #numbers = 0;
  #queue: ToLog[] = [];
  #scheduled = false;
  #closing = false;
  readonly #asked = new Map<number, (committed: boolean) => void>();
  readonly #opening = new Map<number, { readonly resolve: (opened: Opened) => void; readonly opening: Opening }>();

  constructor(options: BesideOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  get failures(): number {
    return this.#lost + this.#counted;
  }

  number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  post(words: ToLog): void {
    this.#queue.push(words);
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#asked.size > CROWD) setTimeout(() => this.#send(), GATHER_MS);
    else process.nextTick(() => this.#send());
  }

  /** Resolves to whether it is committed; never rejects. */
  ask(words: Exclude<Asking, { say: 'open' }>): Promise<boolean> {
    const ask = this.number();
    return new Promise((resolve) => {
      this.#asked.set(ask, resolve);
      this.post({ ...words, ask });
    });
  }

  /** Never rejects: without a log the conversation goes on as a new one. */
  open(words: { readonly say: 'open'; readonly thread: number; readonly opening: Opening }): Promise<Opened> {
    const ask = this.number();
    return new Promise((resolve) => {
      this.#opening.set(ask, { resolve, opening: words.opening });
      this.post({ ...words, ask });
    });
  }

  async close(): Promise<void> {
    if (this.#worker === undefined) return;
    const ended = new Promise((resolve) => this.#worker?.once('exit', resolve));
    this.#closing = true;
    this.post({ say: 'close' });
    await ended;
  }

  #send(): void {
    this.#scheduled = false;
    const words = this.#queue;
    this.#queue = [];
    try {
      this.#worker ??= this.#start();
      // As text: objects are cloned key by key, which took both threads together 44 us a request against 24.
      this.#worker.postMessage(JSON.stringify(words));
    } catch (thrown) {
      this.#lose(thrown, words.flatMap((word) => ('ask' in word ? [word.ask] : [])));
    }
  }

  #start(): Worker {
    const { dataDir, module, failed = () => undefined, redact = [] } = this.#options;
    const worker = new Worker(module, { workerData: { dataDir, redact } });
    worker.on('message', (words: FromLog) => {
      switch (words.say) {
        case 'done':
          for (let at = 0; at < words.asks.length; at += 2) this.#settle(words.asks[at] ?? 0, words.asks[at + 1] === 1);
          return;
        case 'opened':
          this.#opening.get(words.ask)?.resolve(words);
          this.#opening.delete(words.ask);
          return;
        case 'failed':
          this.#counted = words.failures;
          return failed(words.reason);
        default:
          return words satisfies never;
      }
    });
    let fault: unknown;
    worker.on('error', (thrown) => (fault = thrown));
    worker.on('exit', (code) => {
      this.#worker = undefined;
      this.#lost += this.#counted;
      this.#counted = 0;
      if (!this.#closing) this.#lose(new Error(`the log's thread ended with ${code}${fault === undefined ? '' : `: ${reasonOf(fault)}`}`), [...this.#asked.keys(), ...this.#opening.keys()]);
    });
    return worker;
  }

  #settle(ask: number, committed: boolean): void {
    this.#asked.get(ask)?.(committed);
    this.#asked.delete(ask);
  }

  /** Everything that waits is told that it was not committed. */
  #lose(reason: unknown, asks: readonly number[]): void {
    this.#lost += Math.max(1, asks.length);
    this.#options.failed?.(reason);
    for (const ask of asks) {
      this.#settle(ask, false);
      const waiting = this.#opening.get(ask);
      this.#opening.delete(ask);
      waiting?.resolve({ say: 'opened', ask, trajectoryId: newId('traj', waiting.opening.at), continued: false });
    }
  }
}

const specs = new WeakMap<FunctionSpec, string>();

/** Server tools are the same objects in every request. */
function toolsJson(tools: readonly FunctionSpec[]): string {
  const texts = tools.map((spec) => {
    let text = specs.get(spec);
    if (text === undefined) specs.set(spec, (text = JSON.stringify(spec)));
    return text;
  });
  return `[${texts.join(',')}]`;
}

/** A step without what need not be read on its way; what is shown of single tokens is not logged at all. */
function packed(step: Omit<Step, 'messages' | 'tools' | 'action'>, action: Action): { readonly step: Omit<Step, 'messages' | 'tools'>; readonly numbers?: Numbers } {
  const { promptTokenIds, tokenIds, logprobs, tokenLogprobs, ...rest } = action;
  try {
    return {
      step: { ...step, action: rest },
      numbers: {
        ...(promptTokenIds === undefined ? {} : { prompt: packU32(promptTokenIds).toString('base64') }),
        ...(tokenIds === undefined ? {} : { ids: packU32(tokenIds).toString('base64') }),
        ...(logprobs === undefined ? {} : { logprobs: packF32(logprobs).toString('base64') }),
      },
    };
  } catch {
    return { step: { ...step, action } }; // what cannot be stored is refused, and told, where it is stored
  }
}
