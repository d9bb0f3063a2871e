/** Builds the log's record of one step: what the policy was asked, what it emitted, how it ended. */
import { newId } from '../core/ids.js';
import type { Message } from '../core/message.js';
import type { Action, PolicyEvent, PolicyRequest } from '../core/policy.js';
import type { NotTrainable, OwnedCall, Step } from '../core/trajectory.js';
import type { LoopRequest } from './events.js';
import { partialAction } from './partial.js';
import { notTrainable } from './trainable.js';

export class StepRecord {
  readonly #request: LoopRequest;
  #asked: PolicyRequest;
  readonly #told: () => Step['told'];
  readonly #callsAllowed: boolean;
  readonly #startedAt = Date.now();
  readonly #clock = performance.now();
  /** Kept until the action is whole: a broken one is put together from them. */
  #seen: PolicyEvent[] = [];

  /** `callsAllowed`: whether a call would be run; `told`: how the client was told the action so far. */
  constructor(
    request: LoopRequest,
    asked: PolicyRequest,
    callsAllowed: boolean,
    told: () => Step['told'] = () => undefined,
  ) {
    this.#request = request;
    this.#asked = asked;
    this.#callsAllowed = callsAllowed;
    this.#told = told;
  }

  saw(event: PolicyEvent): void {
    if (event.type === 'start' && event.messages !== undefined)
      this.#asked = { ...this.#asked, messages: event.messages };
    this.#seen.push(event);
  }

  partial(): Action | undefined {
    return partialAction(this.#seen, this.#startedAt, performance.now() - this.#clock);
  }

  /**
   * The policy finished; `cancelled` says that the answer ended while this step's tools ran. `choice` is the action's
   * place among those of all prompts.
   */
  whole(
    action: Action,
    calls: readonly OwnedCall[],
    appended: readonly Message[],
    cancelled = false,
    choice = 0,
  ): Step {
    const reason = notTrainable(this.#asked, action, cancelled ? 'cancelled' : this.#request.withheld);
    const step = this.#step(action, calls, appended, cancelled ? 'cancelled' : 'done', reason);
    if (this.#asked.raw === undefined) return step;
    const prompt = Math.floor(choice / (this.#asked.n ?? 1));
    return { ...step, messages: this.#asked.messages.slice(prompt, prompt + 1) };
  }

  /** The policy was stopped or failed, after it had emitted `partial`. */
  broken(partial: Action | undefined, outcome: 'cancelled' | 'failed'): Step {
    const appended: Message[] =
      partial === undefined || partial.text === '' ? [] : [{ role: 'assistant', content: partial.text }];
    return this.#step(partial, [], appended, outcome, outcome === 'cancelled' ? 'cancelled' : 'engine_error');
  }

  #step(
    action: Action | undefined,
    calls: readonly OwnedCall[],
    appended: readonly Message[],
    outcome: Step['outcome'],
    reason: NotTrainable | undefined,
  ): Step {
    this.#seen = [];
    const { messages, tools, toolChoice, sampling } = this.#asked;
    return {
      id: newId('step'),
      policyVersion: this.#request.policyVersion,
      messages,
      tools,
      toolChoice,
      ...(this.#callsAllowed || tools.length === 0 || toolChoice === 'none' ? {} : { callsAllowed: false }),
      sampling,
      action,
      told: this.#told(),
      calls,
      appended,
      outcome,
      notTrainable: reason,
      startedAt: this.#startedAt,
      ms: performance.now() - this.#clock,
    };
  }
}
