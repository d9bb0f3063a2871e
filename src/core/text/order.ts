/** The results of each turn in the order of its calls: so they are logged, asked with and known again. */
import type { Message } from '../message.js';

/** A conversation that the log does not know, the results of each turn in the order of its calls; as it is if so. */
export function ordered(messages: readonly Message[]): readonly Message[] {
  const order = inOrderOfCalls(messages);
  return order.every((from, at) => from === at) ? messages : order.flatMap((from) => messages[from] ?? []);
}

/** Positions of the messages, the results of each turn in the order of its calls. */
export function inOrderOfCalls(messages: readonly Message[]): number[] {
  const order = messages.map((_, at) => at);
  for (let at = 0; at < messages.length; at += 1) {
    const turn = messages[at];
    if (turn?.role !== 'assistant' || (turn.tool_calls?.length ?? 0) < 2) continue;
    const ids = turn.tool_calls?.map(({ id }) => id) ?? [];
    let end = at + 1;
    while (messages[end]?.role === 'tool') end += 1;
    const place = (position: number): number => {
      const result = messages[position];
      const found = result?.role === 'tool' ? ids.indexOf(result.tool_call_id) : -1;
      return found < 0 ? ids.length : found;
    };
    const run = order.slice(at + 1, end).sort((a, b) => place(a) - place(b) || a - b);
    order.splice(at + 1, run.length, ...run);
  }
  return order;
}
