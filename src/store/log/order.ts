/**
 * The results of a turn in the order of its calls: what this gateway's tools gave and what the client sends, whichever
 * came first. A template without call ids gives each result to the call at its place.
 */
import type { Message } from '../../core/message.js';

/** Stands where a client gave no result for its call, while others of the turn have one. */
const NO_RESULT = 'No result was given.';

export interface Ordered {
  /** How many messages of the history stay where they are. */
  readonly kept: number;
  /** What comes after those. */
  readonly rest: readonly Message[];
}

/** `before` ends with a turn and what is known of its results; `after` is what its client sends after that turn. */
export function inOrder(before: readonly Message[], after: readonly Message[]): Ordered {
  let at = before.length - 1;
  while (before[at]?.role === 'tool') at -= 1;
  const turn = before[at];
  const known = before.slice(at + 1);
  const end = after.findIndex(({ role }) => role !== 'tool');
  const sent = end < 0 ? after : after.slice(0, end);
  const given = [...known, ...sent];
  if (turn?.role !== 'assistant' || turn.tool_calls === undefined || after.length === 0 || given.length === 0)
    return { kept: before.length, rest: after };
  const inPlace = turn.tool_calls.map(({ id }): Message => {
    const found = given.findIndex((result) => result.role === 'tool' && result.tool_call_id === id);
    const [result] = found < 0 ? [] : given.splice(found, 1);
    return result ?? { role: 'tool', tool_call_id: id, content: NO_RESULT };
  });
  const all = [...inPlace, ...given];
  let same = 0;
  while (same < known.length && all[same] === known[same]) same += 1;
  return { kept: at + 1 + same, rest: [...all.slice(same), ...after.slice(sent.length)] };
}
