/**
 * Turns of the Messages API to messages, and back to how its client will send them. Consecutive turns of one side are
 * one turn: results of tools first, each a message of its own, then the words. This wire carries the input of a call as
 * a value and not as the text the policy wrote, so it is written as canonical JSON here; the log has the policy's own
 * text and puts it back.
 */
import { mediaKind } from '../../core/media.js';
import { objectJson } from '../../core/text/arguments.js';
import { canonicalJson } from '../../core/text/hash.js';
import { parseJson } from '../../core/text/json.js';
import {
  assistantMessage,
  textOf,
  type AssistantMessage,
  type Content,
  type ContentPart,
  type Message,
  type ToolCall,
} from '../../core/message.js';
import type { AnyBlock, Turn, Words } from './blocks.js';
import { partsOf } from './parts.js';

type Result = Extract<AnyBlock, { type: 'tool_result' }>;

/** Whether reasoning that comes back is what was said here, word for word. */
type Signed = (signature: string, text: string) => boolean;

export function messagesOf(system: Words | undefined, turns: readonly Turn[], signed: Signed = () => false): Message[] {
  const messages: Message[] = [];
  const all: readonly Turn[] = system === undefined ? turns : [{ role: 'system', content: system }, ...turns];
  for (let at = 0; at < all.length;) {
    const role = all[at]?.role;
    const from = at;
    while (all[at]?.role === role) at += 1;
    const blocks = all
      .slice(from, at)
      .flatMap(({ content }): readonly AnyBlock[] =>
        typeof content === 'string' ? [{ type: 'text', text: content }] : content,
      );
    if (role === 'assistant') messages.push(assistantTurn(blocks, signed));
    else for (const message of role === 'system' ? systemTurn(blocks) : userTurn(blocks)) messages.push(message);
  }
  return messages;
}

/** How many pictures and files the newest turn of the user brings: what tools gave lies in their results. */
export function newestMedia(turns: readonly Turn[]): number {
  const newest = turns.findLast(({ role }) => role !== 'system');
  if (newest?.role !== 'user' || typeof newest.content === 'string') return 0;
  return newest.content.flatMap(partsOf).filter((part) => mediaKind(part) !== undefined).length;
}

/**
 * The turn as a client sends it back: the same text and the same values, the calls' JSON in canonical spelling.
 */
export function resent(visible: AssistantMessage): AssistantMessage {
  if (visible.tool_calls === undefined) return visible;
  return assistantMessage(
    textOf(visible.content),
    visible.tool_calls.map(({ id, function: { name, arguments: args } }) => ({
      id,
      name,
      arguments: canonicalJson(parseJson(objectJson(args))),
    })),
  );
}

function systemTurn(blocks: readonly AnyBlock[]): Message[] {
  const words = contentOf(blocks);
  return words === '' ? [] : [{ role: 'system', content: words }];
}

/** Reasoning that another model signed, or that was changed, is left out: it is not what this policy thought. */
function assistantTurn(blocks: readonly AnyBlock[], signed: Signed): AssistantMessage {
  const calls = blocks.flatMap((block): ToolCall[] =>
    block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: canonicalJson(block.input) }] : [],
  );
  const said = blocks.flatMap((block) => (block.type === 'tool_use' ? [] : partsOf(block)));
  const turn = assistantMessage(said.map(({ text }) => text ?? '').join(''), calls);
  const reasoning = blocks
    .flatMap((block) =>
      block.type === 'thinking' && signed(block.signature ?? '', block.thinking) ? [block.thinking] : [],
    )
    .join('\n');
  return reasoning === '' ? turn : { ...turn, reasoning };
}

function userTurn(blocks: readonly AnyBlock[]): Message[] {
  const results = blocks.flatMap((block): Message[] =>
    block.type === 'tool_result' ? [{ role: 'tool', tool_call_id: block.tool_use_id, content: resultOf(block) }] : [],
  );
  const words = contentOf(blocks);
  return words === '' && results.length > 0 ? results : [...results, { role: 'user', content: words }];
}

/** A failed result begins with `Error`, as those of the gateway's own tools do. */
function resultOf({ content, is_error: failed }: Result): Content {
  const words = typeof content === 'string' ? content : contentOf(content ?? []);
  if (failed !== true || /^error\b/i.test(textOf(words))) return words;
  if (typeof words !== 'string') return [{ type: 'text', text: 'Error:' }, ...words];
  return words === '' ? 'Error: the tool failed and gave no reason.' : `Error: ${words}`;
}

/** Blocks of text are joined by line ends, as engines join the parts of a message; with others they stay parts. */
function contentOf(blocks: readonly AnyBlock[]): Content {
  const parts = blocks.flatMap((block): readonly ContentPart[] => partsOf(block).filter(({ text }) => text !== ''));
  return parts.every(({ type }) => type === 'text') ? parts.map(({ text }) => text ?? '').join('\n') : parts;
}
