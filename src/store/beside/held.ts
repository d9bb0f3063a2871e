/** The threads of a log by their numbers: turns words back into what a thread is told. */
import type { Thread } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import type { Action, FunctionSpec } from '../../core/policy.js';
import type { Numbers, StepWords, ThreadWords } from './wire.js';
import { unpackStep } from '../file/tokens.js';

interface Held {
  readonly thread: Thread;
  /** What has been said in it, as the policy sees it: the very objects that were hashed. */
  messages: readonly Message[];
}

const TOOL_SETS = 256;

export class HeldThreads {
  readonly #threads = new Map<number, Held>();
  readonly #toolSets = new Map<string, readonly FunctionSpec[]>();

  has(number: number): boolean {
    return this.#threads.has(number);
  }

  add(number: number, thread: Thread, messages: readonly Message[] = thread.messages): void {
    this.#threads.set(number, { thread, messages });
  }

  /** Resolves to whether it is committed; false at once for a thread nobody knows. The words are used up. */
  step({ thread: number, known, added, tools, step, visible, numbers }: StepWords): Promise<boolean> {
    const held = this.#threads.get(number);
    if (held === undefined) return Promise.resolve(false);
    const messages =
      known === held.messages.length && added.length === 0
        ? held.messages
        : [...held.messages.slice(0, known), ...added];
    held.messages = step.appended.length === 0 ? messages : [...messages, ...step.appended];
    if (numbers !== undefined && step.action !== undefined) putBack(numbers, step.action);
    return held.thread.step(Object.assign(step, { messages, tools: this.#toolsOf(tools) }), visible);
  }

  finish({ thread: number, ending }: Extract<ThreadWords, { readonly say: 'finish' }>): Promise<boolean> {
    const held = this.#threads.get(number);
    this.#threads.delete(number);
    return held === undefined ? Promise.resolve(false) : held.thread.finish(ending);
  }

  /** The same list for the same text, so that its hash is made once. */
  #toolsOf(json: string): readonly FunctionSpec[] {
    let tools = this.#toolSets.get(json);
    if (tools === undefined) {
      tools = JSON.parse(json) as readonly FunctionSpec[];
      if (this.#toolSets.size >= TOOL_SETS) this.#toolSets.clear();
      this.#toolSets.set(json, tools);
    }
    return tools;
  }
}

/** Typed arrays for lists: all that is asked of them here is their length and the number at a place. */
function putBack(
  { bytes, prompt, ids, logprobs }: Numbers,
  action: { -readonly [K in keyof Action]: Action[K] },
): void {
  const lists = unpackStep(Buffer.from(bytes, 'base64'), prompt ?? 0, ids ?? 0);
  if (prompt !== undefined) action.promptTokenIds = lists.prompt as unknown as readonly number[];
  if (ids !== undefined) action.tokenIds = lists.ids as unknown as readonly number[];
  if (logprobs !== undefined) action.logprobs = lists.logprobs as unknown as readonly number[];
}
