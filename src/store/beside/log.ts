/**
 * The step log in a thread of its own: the gateway's thread writes what happened into its intake, once per turn of
 * its event loop, and hands it over to be committed in groups. Nothing of SQLite runs here.
 */
import { newId } from '../../core/ids.js';
import type { Opening, StepLog, Thread } from '../../core/log.js';
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Action, FunctionSpec } from '../../core/policy.js';
import type { Ending, Step } from '../../core/trajectory.js';
import { Link, type LinkOptions } from './connection.js';
import type { Numbers, StepWords, ThreadWords } from './wire.js';
import { versionColumn } from '../file/policy_version.js';
import { packStep } from '../file/tokens.js';

export interface LogBeside extends StepLog {
  /** Everything is committed and the store is let go of when it resolves. */
  close(): Promise<void>;
}

/**
 * With patterns to redact nothing is written here: answers wait for their commit over there, where they are redacted.
 */
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
        return link
          .open({ say: 'open', thread: number, opening })
          .then((opened) => new FarThread(link, number, opening, opened));
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
  readonly messages?: readonly Message[] | undefined;
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
    this.#begin = {
      say: 'begin',
      thread: number,
      trajectoryId,
      messages,
      opening,
    };
  }

  step(step: Step, visible: AssistantMessage): Promise<boolean> {
    const { messages, appended, action } = step;
    let known = 0;
    while (known < messages.length && messages[known] === this.#said[known]) known += 1;
    this.#said = appended.length === 0 ? messages : [...messages, ...appended];
    const numbers = action === undefined ? undefined : numbersOf(action);
    return this.#say({
      say: 'step',
      thread: this.#number,
      known,
      added: messages.slice(known),
      tools: toolsJson(step.tools),
      step: spoken(step, numbers === undefined),
      visible,
      numbers,
    });
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

/** Every field there may be, as JSON leaves out what is undefined. */
type Spoken<T> = { readonly [K in keyof Required<T>]: T[K] | undefined };

/**
 * A step without what is said of it elsewhere; what is shown of single tokens is not logged at all. Field by field:
 * objects put together out of parts cost a tenth of the gateway's time.
 */
function spoken(
  { id, policyVersion, toolChoice, sampling, action, calls, appended, outcome, notTrainable, startedAt, ms }: Step,
  withNumbers: boolean,
): StepWords['step'] {
  return {
    id,
    policyVersion: versionColumn(policyVersion),
    toolChoice,
    sampling,
    action: action && spokenAction(action, withNumbers),
    calls,
    appended,
    outcome,
    notTrainable,
    startedAt,
    ms,
  } satisfies Spoken<StepWords['step']>;
}

function spokenAction(
  {
    text,
    reasoning,
    calls,
    finishReason,
    cut,
    stopSequence,
    promptTokenIds,
    tokenIds,
    logprobs,
    usage,
    engineId,
    timings,
  }: Action,
  withNumbers: boolean,
): Action {
  const action = { text, reasoning, calls, finishReason, cut, stopSequence, usage, engineId, timings } satisfies Spoken<
    Omit<Action, 'promptTokenIds' | 'tokenIds' | 'logprobs' | 'tokenLogprobs'>
  >;
  return withNumbers ? { ...action, promptTokenIds, tokenIds, logprobs } : action;
}

/**
 * Undefined where they are not what can be stored: then they are said as they are, and refused where they would be
 * stored.
 */
function numbersOf({ promptTokenIds, tokenIds, logprobs }: Action): Numbers | undefined {
  try {
    const bytes = packStep(promptTokenIds ?? [], tokenIds ?? [], logprobs ?? []).toString('base64');
    return { bytes, prompt: promptTokenIds?.length, ids: tokenIds?.length, logprobs: logprobs?.length };
  } catch {
    return undefined;
  }
}
