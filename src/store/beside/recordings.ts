/** The recordings the log's thread holds, by number: turns the gateway's messages back into steps and ends. */
import { parseJson } from '../../core/text/json.js';
import type { Recording } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import type { Action, FunctionSpec } from '../../core/policy.js';
import { visibleIn, type FinishMessage, type PackedNumbers, type StepMessage } from './wire.js';
import { unpackStep } from '../file/tokens.js';

interface Held {
  readonly recording: Recording;
  readonly responseId: string;
  /** The policy's messages so far. They stay the same objects, because the log hashes only objects it has not met. */
  messages: readonly Message[];
}

/** Parsed tool lists that are remembered. */
const MAX_TOOL_SETS = 256;

export class HeldRecordings {
  readonly #recordings = new Map<number, Held>();
  /** Until everything of it is committed or refused. */
  readonly #numbers = new Map<string, number>();
  readonly #toolSets = new Map<string, readonly FunctionSpec[]>();

  has(number: number): boolean {
    return this.#recordings.has(number);
  }

  trajectoryOf(number: number): string | undefined {
    return this.#recordings.get(number)?.recording.trajectoryId;
  }

  numberOf(responseId: string): number | undefined {
    return this.#numbers.get(responseId);
  }

  add(
    number: number,
    recording: Recording,
    responseId: string,
    messages: readonly Message[] = recording.messages,
  ): void {
    this.#recordings.set(number, { recording, responseId, messages });
    this.#numbers.set(responseId, number);
  }

  /** Resolves to whether it is committed; false at once for a recording that is not held. Changes the message. */
  step(message: StepMessage): Promise<boolean> {
    const { recording: number, known, added, tools, step, visible, numbers } = message;
    const held = this.#recordings.get(number);
    if (held === undefined) return Promise.resolve(false);
    const messages =
      known === held.messages.length && added.length === 0
        ? held.messages
        : [...held.messages.slice(0, known), ...added];
    const said = visibleIn(message);
    const appended = visible === undefined ? [said] : step.appended;
    held.messages = appended.length === 0 ? messages : [...messages, ...appended];
    if (numbers !== undefined && step.action !== undefined) unpackInto(step.action, numbers);
    return held.recording.step(Object.assign(step, { messages, appended, tools: this.#toolsOf(tools) }), said);
  }

  finish({ recording: number, ending, number: answer }: FinishMessage): Promise<boolean> {
    const held = this.#recordings.get(number);
    this.#recordings.delete(number);
    if (held === undefined) return Promise.resolve(false);
    const committed = held.recording.finish(ending, answer);
    void committed.then(() => this.#numbers.delete(held.responseId));
    return committed;
  }

  /** The same list for the same text, so that its hash is made once. */
  #toolsOf(json: string): readonly FunctionSpec[] {
    let tools = this.#toolSets.get(json);
    if (tools === undefined) {
      tools = parseJson(json) as readonly FunctionSpec[];
      if (this.#toolSets.size >= MAX_TOOL_SETS) this.#toolSets.clear();
      this.#toolSets.set(json, tools);
    }
    return tools;
  }
}

/** Typed arrays stand in for lists: the log only reads their length and the number at a position. */
function unpackInto(
  action: { -readonly [K in keyof Action]: Action[K] },
  { bytes, prompt, ids, logprobs }: PackedNumbers,
): void {
  const lists = unpackStep(Buffer.from(bytes, 'base64'), prompt ?? 0, ids ?? 0);
  if (prompt !== undefined) action.promptTokenIds = lists.prompt as unknown as readonly number[];
  if (ids !== undefined) action.tokenIds = lists.ids as unknown as readonly number[];
  if (logprobs !== undefined) action.logprobs = lists.logprobs as unknown as readonly number[];
}
