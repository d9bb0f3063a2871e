/**
 * The step log in a thread of its own: the gateway's thread writes what happened into its intake, once per turn of
 * its event loop, and hands it over to be committed in groups. Nothing of SQLite runs here.
 */
import { newId } from '../core/ids.js';
import type { Opening, StepLog, Thread } from '../core/log.js';
import type { AssistantMessage, Message } from '../core/message.js';
import type { Action, FunctionSpec } from '../core/policy.js';
import type { Ending, Step } from '../core/trajectory.js';
import { Link, type LinkOptions } from './log_link.js';
import type { Numbers, ThreadWords } from './log_words.js';
import { packF32, packU32 } from './tokens.js';

export interface LogBeside extends StepLog {
  /** Everything is committed and the store is let go of when it resolves. */
  close(): Promise<void>;
}

/** With patterns to redact nothing is written here: answers wait for their commit over there, where they are redacted. */
export function openLogBeside(options: LinkOptions): LogBeside {
  const link = new Link(options);
  const redacts = (options.redact ?? []).length > 0;
  return {
    open(asked: Opening): Thread | Promise<Thread> {
      // Only a redactor looks at it.
      const opening = redacts || asked.forwarded === undefined ? asked : { ...asked, forwarded: undefined };
      const number = link.number();
      // Only an answer that was given before can be gone on from.
      if (opening.origin === 'live' && opening.messages.some(({ role }) => role === 'assistant')) {
        return link.open({ say: 'open', thread: number, opening }).then((opened) => new FarThread(link, number, opening, opened));
      }
      return new FarThread(link, number, opening, { trajectoryId: newId('traj', opening.at), continued: false });
    },
    get failures(): number {
      return link.failures;
    },
    flush: () => link.flush(),
    close: () => link.close(),
  };
}

interface Opened extends Pick<Thread, 'trajectoryId' | 'continued'> {
  readonly messages?: readonly Message[];
}

class FarThread implements Thread {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly #link: Link;
  readonly #number: number;
  /** What the other side has of this thread, object by object. */
  #said: readonly Message[];
  #begin: ThreadWords | undefined;

  constructor(link: Link, number: number, opening: Opening, { trajectoryId, continued, messages }: Opened) {
    this.trajectoryId = trajectoryId;
    this.continued = continued;
    this.messages = messages ?? opening.messages;
    this.#link = link;
    this.#number = number;
    this.#said = this.messages;
    this.#begin = { say: 'begin', thread: number, trajectoryId, ...(messages === undefined ? {} : { messages }), opening };
  }

  step({ messages, tools, ...step }: Step, visible: AssistantMessage): Promise<boolean> {
    let known = 0;
    while (known < messages.length && messages[known] === this.#said[known]) known += 1;
    this.#said = step.appended.length === 0 ? messages : [...messages, ...step.appended];
    const { action, ...rest } = step;
    const words = { say: 'step' as const, thread: this.#number, known, added: messages.slice(known), tools: toolsJson(tools), visible };
    return this.#say(action === undefined ? { ...words, step: rest } : { ...words, ...packed(rest, action) });
  }

  finish(ending: Ending): Promise<boolean> {
    return this.#say({ say: 'finish', thread: this.#number, ending });
  }

  #say(words: ThreadWords): Promise<boolean> {
    const begin = this.#begin;
    this.#begin = undefined;
    if (begin !== undefined) this.#link.post(begin);
    return this.#link.ask(words);
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
