/** How much of its limits an answer has used, and which limit ends it. Pure. */
import type { Config } from '../core/config.js';
import { canonicalJson } from '../core/text/hash.js';
import { parseJson } from '../core/text/json.js';
import type { ToolCall } from '../core/message.js';
import type { OwnedCall, StopReason } from '../core/trajectory.js';
import type { LoopLimits } from './events.js';

/** Tool errors in a row after which the policy is asked to answer without tools. */
const TOOL_ERRORS = 3;

/** The bounds of one answer as the operator set them. */
export function limitsOf(config: Config): LoopLimits {
  return {
    steps: config['limits.steps'],
    toolCalls: config['limits.tool_calls'],
    milliseconds: config['limits.seconds'] * 1000,
    toolErrors: TOOL_ERRORS,
    tool: { timeoutMs: config['tools.timeout_seconds'] * 1000, maxBytes: config['tools.output_bytes'] },
  };
}

export type LimitReason = Extract<
  StopReason,
  'max_steps' | 'max_tool_calls' | 'deadline' | 'tool_errors' | 'repeated_call'
>;

/** The same successful call may be made this many steps in a row; the next one is not run. */
const REPEATS = 2;

export interface Spent {
  readonly steps: number;
  /** Calls run, not calls asked for. */
  readonly toolCalls: number;
  /** Tool errors since the last success. */
  readonly errorsInARow: number;
  /** Per call identity: steps in a row, up to the last one, in which it succeeded. */
  readonly streaks: ReadonlyMap<string, number>;
}

export const NOTHING_SPENT: Spent = { steps: 0, toolCalls: 0, errorsInARow: 0, streaks: new Map() };

/** Which of a step's server calls may run. Undefined means it may. */
export function admit(calls: readonly ToolCall[], spent: Spent, limits: LoopLimits): (LimitReason | undefined)[] {
  let left = limits.toolCalls - spent.toolCalls;
  return calls.map((call) => {
    if ((spent.streaks.get(identity(call)) ?? 0) >= REPEATS) return 'repeated_call';
    if (left <= 0) return 'max_tool_calls';
    left -= 1;
    return undefined;
  });
}

/** What is used up after a step whose server calls came back with these observations. */
export function spend(spent: Spent, calls: readonly OwnedCall[]): Spent {
  let errorsInARow = spent.errorsInARow;
  let toolCalls = spent.toolCalls;
  const streaks = new Map<string, number>();
  for (const call of calls) {
    if (call.observation === undefined) continue;
    const { error } = call.observation;
    if (error !== 'limit') {
      toolCalls += 1;
      errorsInARow = error === undefined ? 0 : errorsInARow + 1;
    }
    // A failing call may be tried again and is counted as an error; only after success is a repetition pointless.
    if (error === undefined) streaks.set(identity(call), (spent.streaks.get(identity(call)) ?? 0) + 1);
  }
  return { steps: spent.steps + 1, toolCalls, errorsInARow, streaks };
}

/** The limit that a step has reached; where it has reached several, the one that says most about the answer. */
export function reached(
  spent: Spent,
  refusals: readonly (LimitReason | undefined)[],
  limits: LoopLimits,
): LimitReason | undefined {
  if (refusals.includes('repeated_call')) return 'repeated_call';
  if (refusals.includes('max_tool_calls')) return 'max_tool_calls';
  if (spent.errorsInARow >= limits.toolErrors) return 'tool_errors';
  if (spent.steps >= limits.steps) return 'max_steps';
  return undefined;
}

/** The observation of a call that was not run. */
export function refusal(reason: LimitReason, limits: LoopLimits): string {
  return reason === 'repeated_call'
    ? 'Not run: this same call was made before and its result is above. Answer with what you have.'
    : `Not run: the limit of ${limits.toolCalls} tool calls is reached. Answer with what you have.`;
}

function identity(call: ToolCall): string {
  try {
    return `${call.name}\n${canonicalJson(parseJson(call.arguments))}`;
  } catch {
    return `${call.name}\n${call.arguments.trim()}`; // not JSON: only its text can be compared
  }
}
