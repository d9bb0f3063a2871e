/** The threads of a log by their numbers: turns words back into what a thread is told. */
import type { Thread } from '../core/log.js';
import type { Message } from '../core/message.js';
import type { FunctionSpec } from '../core/policy.js';
import type { Numbers, ThreadWords } from './log_words.js';
import { viewF32, viewU32 } from './tokens.js';

type StepWords = Extract<ThreadWords, { readonly say: 'step' }>;

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

  /** Resolves to whether it is committed; false at once for a thread nobody knows. */
  step({ thread: number, known, added, tools, step, visible, numbers }: StepWords): Promise<boolean> {
    const held = this.#threads.get(number);
    if (held === undefined) return Promise.resolve(false);
    const messages = known === held.messages.length && added.length === 0 ? held.messages : [...held.messages.slice(0, known), ...added];
    held.messages = step.appended.length === 0 ? messages : [...messages, ...step.appended];
    return held.thread.step({ ...(numbers === undefined ? step : unpacked(step, numbers)), messages, tools: this.#toolsOf(tools) }, visible);
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
function unpacked(step: StepWords['step'], { prompt, ids, logprobs }: Numbers): StepWords['step'] {
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
