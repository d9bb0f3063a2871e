/**
 * What the client sees of the policy's events. Text passes at once; a call passes only when its name
 * is the client's own, and gets the next number of the response, so that server tools leave no gap.
 */
import { assistantMessage, type AssistantMessage, type ToolCall } from '../core/message.js';
import type { PolicyEvent, TokenLogprob } from '../core/policy.js';
import { CALLS_PER_ACTION } from './settle.js';

type TextEvent = Extract<PolicyEvent, { type: 'text' }>;

interface ShownCall {
  readonly position: number;
  readonly id: string;
  readonly name: string;
  arguments: string;
}

interface ShownChoice {
  text: string;
  readonly calls: ShownCall[];
  /** Of the action being sampled: the policy's position to the shown call. */
  current: Map<number, ShownCall>;
}

export class Visible {
  readonly #isClientTool: (name: string) => boolean;
  readonly #mostCalls: number;
  /**
   * Tokens without text may belong to a call of a server tool, which the client must not see: where there are server
   * tools, such tokens are held back until the action is over.
   */
  readonly #holds: boolean;
  readonly #choices: ShownChoice[] = [];
  #started = false;
  #callsShown = true;
  /** The text of this action, where it is not to be seen before it is known what the action is. */
  #draft: TextEvent[] | undefined;
  #heldIds: number[] = [];
  #heldLogprobs: TokenLogprob[] = [];

  constructor(
    isClientTool: (name: string) => boolean,
    options: { readonly oneCall: boolean; readonly holds: boolean },
  ) {
    this.#isClientTool = isClientTool;
    this.#mostCalls = options.oneCall ? 1 : CALLS_PER_ACTION;
    this.#holds = options.holds;
  }

  /**
   * A new action begins. `callsShown` is false when any call it makes will be dropped, `textShown` when its text is a
   * draft, which is seen only where it is {@link kept}.
   */
  begin(callsShown: boolean, textShown = true): void {
    this.#callsShown = callsShown;
    this.#draft = textShown ? undefined : [];
    this.#heldIds = [];
    this.#heldLogprobs = [];
    for (const choice of this.#choices) choice.current = new Map();
  }

  /** The event as the client gets it, or undefined when it is not for the client. */
  pass(event: PolicyEvent): PolicyEvent | undefined {
    switch (event.type) {
      case 'start': {
        const first = !this.#started;
        this.#started = true;
        return first ? event : undefined;
      }
      case 'text':
        return this.#text(event);
      case 'reasoning':
      case 'beside':
        return event;
      case 'call': {
        if (!this.#callsShown || !this.#isClientTool(event.name) || event.position >= this.#mostCalls) return undefined;
        const choice = this.#choice(event.index);
        const shown: ShownCall = { position: choice.calls.length, id: event.id, name: event.name, arguments: '' };
        choice.calls.push(shown);
        choice.current.set(event.position, shown);
        return shown.position === event.position ? event : { ...event, position: shown.position };
      }
      case 'arguments': {
        const shown = this.#choices[event.index]?.current.get(event.position);
        if (shown === undefined) return undefined;
        shown.arguments += event.text;
        return shown.position === event.position ? event : { ...event, position: shown.position };
      }
      default:
        return event satisfies never;
    }
  }

  /** The draft of a choice is the answer, or `answer` in it is: its text as the client gets it. */
  *kept(index: number, answer: string): Generator<PolicyEvent> {
    const draft = this.#draft ?? [];
    const own = draft.filter((event) => event.index === index);
    this.#draft = undefined;
    const whole = own.map(({ text }) => text).join('') === answer;
    for (const event of whole ? own : [{ type: 'text' as const, index, text: answer }]) {
      const shown = this.#text(event);
      if (shown !== undefined) yield shown;
    }
    this.#draft = draft.filter((event) => event.index !== index);
  }

  /** The tokens still held when an action is over; undefined when there are none, or they are those of hidden calls. */
  end(hiddenCalls: boolean): PolicyEvent | undefined {
    if (hiddenCalls || this.#heldIds.length === 0) return undefined;
    return this.#release({ type: 'text', index: 0, text: '' });
  }

  /** The assistant turn of one choice as the client has it. */
  message(index: number): AssistantMessage {
    const choice = this.#choice(index);
    return assistantMessage(
      choice.text,
      choice.calls.map((call): ToolCall => ({ id: call.id, name: call.name, arguments: call.arguments })),
    );
  }

  #text(event: TextEvent): PolicyEvent | undefined {
    if (this.#draft !== undefined) {
      this.#draft.push(event);
      return undefined;
    }
    if (event.text !== '') {
      this.#choice(event.index).text += event.text;
      return this.#heldIds.length === 0 ? event : this.#release(event);
    }
    if (!this.#holds) return event;
    for (const id of event.tokenIds ?? []) this.#heldIds.push(id);
    for (const entry of event.logprobs ?? []) this.#heldLogprobs.push(entry);
    return undefined;
  }

  #release(event: TextEvent): TextEvent {
    const tokenIds = [...this.#heldIds, ...(event.tokenIds ?? [])];
    const logprobs = [...this.#heldLogprobs, ...(event.logprobs ?? [])];
    this.#heldIds = [];
    this.#heldLogprobs = [];
    return {
      ...event,
      tokenIds,
      logprobs: logprobs.length === 0 ? undefined : logprobs,
    };
  }

  #choice(index: number): ShownChoice {
    return (this.#choices[index] ??= { text: '', calls: [], current: new Map() });
  }
}
