/**
 * A trajectory as an example to train a chat model on: `{"messages", "tools"}` as OpenAI's fine-tuning has them. What
 * our own learner may not train on for consent, for redaction or because it is held out is none.
 */
import { type Message, RAW_PROMPT } from '../../core/message.js';
import type { FunctionSpec } from '../../core/policy.js';
import type { TrajectoryView } from '../../core/reading.js';
import type { Db } from '../file/db.js';
import { consented } from '../learning/consent.js';
import { isHeldOut } from '../learning/tasks.js';

interface ChatExample {
  readonly messages: readonly Message[];
  readonly tools?: readonly { readonly type: 'function'; readonly function: FunctionSpec }[] | undefined;
}

type LeftOut = 'without consent' | 'held out' | 'redacted' | 'without an answer' | 'raw prompts';

export function chatLine(
  db: Db,
  view: TrajectoryView,
): { readonly example: ChatExample } | { readonly leftOut: LeftOut } {
  const leftOut = reasonAgainst(db, view);
  if (leftOut !== undefined) return { leftOut };
  // A tool that a later request defines anew is the later one.
  const tools = new Map(view.steps.flatMap((step) => step.tools.map((tool) => [tool.name, tool])));
  return {
    example: {
      messages: view.messages,
      ...(tools.size === 0
        ? {}
        : { tools: [...tools.values()].map((tool) => ({ type: 'function' as const, function: tool })) }),
    },
  };
}

function reasonAgainst(db: Db, { id, consent, steps, messages }: TrajectoryView): LeftOut | undefined {
  const ids = steps.map((step) => step.id);
  if (!consent || consented(db, ids).size < ids.length) return 'without consent';
  if (isHeldOut(db, id)) return 'held out';
  if (steps.some((step) => step.not_trainable_reason === 'redacted')) return 'redacted';
  if (messages.some(isRaw)) return 'raw prompts';
  return messages.at(-1)?.role === 'assistant' ? undefined : 'without an answer';
}

function isRaw({ content }: Message): boolean {
  return Array.isArray(content) && content.some((part: { readonly type: string }) => part.type === RAW_PROMPT);
}
