/** The loop's last turn at a limit: its tools stay declared, and a call is run by nobody. */
import type { Message } from './message.js';
import type { Step } from './trajectory.js';

/**
 * Said before the policy's last turn, at the end of the last tool result: many templates take no user message after a
 * tool's. Its tools stay declared: without tools vLLM does not parse calls, and their markup would reach the client as
 * text.
 */
export const ANSWER_NOW = 'No more tool calls are possible. Answer now with what you have.';

/**
 * Whether a call would be run, by whomever. `recorded`: what its row says of the step; those of earlier builds say
 * nothing, and are last turns where the policy was told so.
 */
export function runsCalls(
  { tools, toolChoice, messages }: Pick<Step, 'tools' | 'toolChoice' | 'messages'>,
  recorded: boolean | null,
): boolean {
  return tools.length > 0 && toolChoice !== 'none' && (recorded ?? !isLastTurn(messages));
}

function isLastTurn(messages: readonly Message[]): boolean {
  const last = messages.at(-1);
  return last?.role === 'tool' && typeof last.content === 'string' && last.content.endsWith(`\n\n${ANSWER_NOW}`);
}
