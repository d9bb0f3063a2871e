/** Chunks of a stream, and what the accumulator makes of them. */
import type { Action, PolicyEvent } from '../../../src/core/policy.js';
import { Accumulator, type ReplyOptions } from '../../../src/policy/engine/accumulate.js';

const TIMINGS = { startedAt: 0, totalMs: 1 };
export const chunk = (choice: Record<string, unknown>, more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    id: 'x',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }],
    ...more,
  });
export const calls = (...tool_calls: readonly Record<string, unknown>[]): string => chunk({ delta: { tool_calls } });
export const finish = (reason: string): string => chunk({ finish_reason: reason });

export function fold(
  chunks: readonly string[],
  asked: Partial<ReplyOptions> = {},
): { readonly actions: readonly Action[]; readonly events: readonly PolicyEvent[] } {
  const accumulator = new Accumulator({ tokenLogprobs: false, maxBytes: 1e6, ...asked });
  const events: PolicyEvent[] = [];
  for (const each of chunks) accumulator.push(each, events);
  accumulator.end(events);
  return { actions: accumulator.finish(TIMINGS), events };
}

export const one = (chunks: readonly string[], asked?: Partial<ReplyOptions>): Action | undefined =>
  fold(chunks, asked).actions[0];
