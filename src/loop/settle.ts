/**
 * Who runs each call, decided before anything runs. A call of an unknown name is the server's: it gets an observation
 * that says so.
 */
import { assistantMessage, type Message, type ToolCall } from '../core/message.js';
import type { Action } from '../core/policy.js';
import type { OwnedCall } from '../core/trajectory.js';
import type { LoopRequest } from './events.js';

/** Calls of one action that count: OpenAI's own bound. A policy that repeats itself can write thousands. */
export const CALLS_PER_ACTION = 128;

export interface Settled {
  /** The calls that count, in the policy's order. */
  readonly calls: readonly OwnedCall[];
  readonly server: readonly OwnedCall[];
  readonly client: readonly OwnedCall[];
  /** How many calls there were beyond those that count of one action. */
  readonly leftOut: number;
}

/**
 * `callsAllowed` is false when the client forbade calls, or a limit did: then every call is dropped. So are those
 * beyond the bound of one action.
 */
export function settle(action: Action, request: LoopRequest, callsAllowed: boolean): Settled {
  const most = !callsAllowed ? 0 : request.parallelToolCalls === false ? 1 : CALLS_PER_ACTION;
  const counted = action.calls.length <= most ? action.calls : action.calls.slice(0, most);
  const calls = counted.map((call): OwnedCall => ({
    ...call,
    owner: isClientTool(request, call.name) ? 'client' : 'server',
  }));
  return {
    calls,
    server: calls.filter((call) => call.owner === 'server'),
    client: calls.filter((call) => call.owner === 'client'),
    // Where the client wants one call or none, it knows.
    leftOut: most === CALLS_PER_ACTION ? action.calls.length - counted.length : 0,
  };
}

export function isClientTool(request: LoopRequest, name: string): boolean {
  return request.clientTools.some((tool) => tool.name === name);
}

/** What follows a state: the assistant turn with its calls, and what the server's calls gave. */
export function appended(action: Action, calls: readonly OwnedCall[]): Message[] {
  const message = assistantMessage(
    action.text,
    calls.map(({ id, name, arguments: args }): ToolCall => ({ id, name, arguments: args })),
  );
  const turn: Message = action.reasoning === undefined ? message : { ...message, reasoning: action.reasoning };
  const observed = calls.flatMap((call): Message[] =>
    call.observation === undefined ? [] : [{ role: 'tool', tool_call_id: call.id, content: call.observation.content }],
  );
  return [turn, ...observed];
}
