/** What a policy had emitted when it was stopped, put together from the events seen until then. */
import type { ToolCall } from '../core/message.js';
import { NO_USAGE, type Action, type PolicyEvent } from '../core/policy.js';

/** Undefined when nothing was sampled yet. Only the first choice is kept: several are never continued. */
export function partialAction(seen: readonly PolicyEvent[], startedAt: number, ms: number): Action | undefined {
  let text = '';
  let reasoning = '';
  let promptTokenIds: readonly number[] | undefined;
  const tokenIds: number[] = [];
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const event of seen) {
    if (event.type === 'start') promptTokenIds = event.promptTokenIds;
    else if (event.index !== 0) continue;
    else if (event.type === 'text') {
      text += event.text;
      promptTokenIds ??= event.prompt?.tokenIds;
      for (const id of event.tokenIds ?? []) tokenIds.push(id);
    } else if (event.type === 'reasoning') reasoning += event.text;
    else if (event.type === 'call') calls[event.position] = { id: event.id, name: event.name, arguments: '' };
    else if (event.type === 'arguments') {
      const call = calls[event.position];
      if (call !== undefined) call.arguments += event.text;
    }
  }
  const made: ToolCall[] = calls.filter((call) => call !== undefined);
  if (text === '' && reasoning === '' && tokenIds.length === 0 && made.length === 0) return undefined;
  return {
    text,
    reasoning: reasoning === '' ? undefined : reasoning,
    calls: made,
    finishReason: 'length',
    cut: true,
    promptTokenIds,
    tokenIds: tokenIds.length === 0 ? undefined : tokenIds,
    usage: { ...NO_USAGE, prompt_tokens: promptTokenIds?.length ?? 0, completion_tokens: tokenIds.length },
    timings: { startedAt, totalMs: ms },
  };
}
