/** Token usage and tool use of a response, summed while it runs, and the ways it can end. */
import type { GyreError } from '../core/errors.js';
import { addUsage, NO_USAGE, type Action, type FinishReason, type Usage } from '../core/policy.js';
import type { Observation } from '../core/tool.js';
import type { Outcome, OwnedCall, ServerToolUse, StopReason } from '../core/trajectory.js';
import type { LimitReason } from './budget.js';
import type { Finish } from './events.js';

export class Tally {
  #usage: Usage = NO_USAGE;
  #requested = 0;
  #bytes = 0;
  #executed = 0;
  readonly #byTool: Record<string, number> = {};
  #leftOut = 0;
  #finished = false;

  /** Whether one of the ways to end was taken. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Of all that was sampled and is gone on from: what an answer may have is for all its actions together. */
  get bytes(): number {
    return this.#bytes;
  }

  sampled(action: Action | undefined): void {
    if (action !== undefined) this.#usage = addUsage(this.#usage, action.usage);
  }

  wentOn({ text, reasoning = '', calls }: Action): void {
    this.#bytes += Buffer.byteLength(text) + Buffer.byteLength(reasoning);
    for (const call of calls) this.#bytes += Buffer.byteLength(call.arguments);
  }

  /** So many calls of an action were more than count. */
  leftOut(calls: number): void {
    this.#leftOut += calls;
  }

  observed(call: OwnedCall, observation: Observation): void {
    this.#requested += 1;
    if (observation.error === 'unknown_tool' || observation.error === 'limit') return;
    this.#executed += 1;
    this.#byTool[call.name] = (this.#byTool[call.name] ?? 0) + 1;
  }

  /** The policy's last action ends the answer. After a limit the reason is the limit, whatever the action says. */
  answered(action: Action, clientCalls: readonly OwnedCall[], limit: LimitReason | undefined): Finish {
    if (limit !== undefined) return this.#finish('incomplete', limit, ['length']);
    const [outcome, reason, finish] = endOf(action, clientCalls.length > 0);
    return this.#finish(outcome, reason, [finish]);
  }

  /** Several actions at one state, each with its own finish; the response ends as the least finished of them. */
  chosen(actions: readonly Action[], keepsCalls: boolean): Finish {
    const ends = actions.map((action) => endOf(action, keepsCalls && action.calls.length > 0));
    const [outcome, reason] =
      ends.find(([each]) => each !== 'completed') ?? ends[0] ?? (['completed', 'stop'] as const);
    return this.#finish(
      outcome,
      reason,
      ends.map(([, , finish]) => finish),
    );
  }

  stopped(by: 'client' | 'deadline'): Finish {
    return by === 'client'
      ? this.#finish('cancelled', 'client_abort', [])
      : this.#finish('incomplete', 'deadline', ['length']);
  }

  failed(fault: GyreError): Finish {
    return { ...this.#finish('failed', 'engine_error', []), fault };
  }

  #finish(outcome: Outcome, stopReason: StopReason, finishReasons: readonly FinishReason[]): Finish {
    this.#finished = true;
    const toolUse: ServerToolUse = {
      requested: this.#requested,
      executed: this.#executed,
      by_tool: this.#byTool,
      ...(this.#leftOut === 0 ? {} : { left_out: this.#leftOut }),
    };
    return { ending: { outcome, stopReason, usage: this.#usage, toolUse }, finishReasons };
  }
}

function endOf(action: Action, clientCalls: boolean): readonly [Outcome, StopReason, FinishReason] {
  if (action.cut) return ['incomplete', 'max_tokens', 'length'];
  if (action.finishReason === 'content_filter') return ['incomplete', 'content_filter', 'content_filter'];
  return clientCalls ? ['completed', 'client_tools', 'tool_calls'] : ['completed', 'stop', 'stop'];
}
