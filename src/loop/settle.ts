/**
 * Who runs each call, decided before anything runs. A call of an unknown name is the server's: it gets an observation
 * that says so.
 */
import { assistantMessage, type Message, type ToolCall } from '../core/message.js';
import type { Action } from '../core/policy.js';
import type { OwnedCall } from '../core/trajectory.js';
import type { LoopRequest } from './events.js';

export interface Settled {
  /** The calls that count, in the policy's order. */
  readonly calls: readonly OwnedCall[];
  readonly server: readonly OwnedCall[];
  readonly client: readonly OwnedCall[];
}

/** `callsAllowed` is false when the client forbade calls, or a limit did: then every call is dropped. */
export function settle(action: Action, request: LoopRequest, callsAllowed: boolean): Settled {
  const counted = !callsAllowed ? [] : request.parallelToolCalls === false ? action.calls.slice(0, 1) : action.calls;
  const calls = counted.map((call): OwnedCall => ({
    ...call,
    owner: isClientTool(request, call.name) ? 'client' : 'server',
  }));
  return {
    calls,
    server: calls.filter((call) => call.owner === 'server'),
    client: calls.filter((call) => call.owner === 'client'),
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
