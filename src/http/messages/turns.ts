/**
 * Turns of the Messages API to messages, and back to how its client will send them. Consecutive turns of one side are
 * one turn: results of tools first, each a message of its own, then the words. This wire carries the input of a call as
 * a value and not as the text the policy wrote, so it is written as canonical JSON here; the log has the policy's own
 * text and puts it back.
 */
import { objectJson } from '../../core/text/arguments.js';
import { canonicalJson } from '../../core/text/hash.js';
import { parseJson } from '../../core/text/json.js';
import { assistantMessage, textOf, type AssistantMessage, type Message, type ToolCall } from '../../core/message.js';
import type { Turn, Words } from './fields.js';

type Block = Exclude<Turn['content'], string>[number];
type Result = Extract<Block, { type: 'tool_result' }>;

export function messagesOf(system: Words | undefined, turns: readonly Turn[]): Message[] {
  const messages: Message[] = [];
  const all: readonly Turn[] = system === undefined ? turns : [{ role: 'system', content: system }, ...turns];
  for (let at = 0; at < all.length;) {
    const role = all[at]?.role;
    const from = at;
    while (all[at]?.role === role) at += 1;
    const blocks = all
      .slice(from, at)
      .flatMap(({ content }): readonly Block[] =>
        typeof content === 'string' ? [{ type: 'text', text: content }] : content,
      );
    if (role === 'assistant') messages.push(assistantTurn(blocks));
    else if (role === 'system') messages.push(...systemTurn(blocks));
    else messages.push(...userTurn(blocks));
  }
  return messages;
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

function systemTurn(blocks: readonly Block[]): Message[] {
  const words = wordsOf(blocks);
  return words === '' ? [] : [{ role: 'system', content: words }];
}

function assistantTurn(blocks: readonly Block[]): AssistantMessage {
  const calls = blocks.flatMap((block): ToolCall[] =>
    block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: canonicalJson(block.input) }] : [],
  );
  return assistantMessage(blocks.map((block) => (block.type === 'text' ? block.text : '')).join(''), calls);
}

function userTurn(blocks: readonly Block[]): Message[] {
  const results = blocks.flatMap((block): Message[] =>
    block.type === 'tool_result' ? [{ role: 'tool', tool_call_id: block.tool_use_id, content: resultOf(block) }] : [],
  );
  const words = wordsOf(blocks);
  return words === '' && results.length > 0 ? results : [...results, { role: 'user', content: words }];
}

/** A failed result begins with `Error`, as those of the gateway's own tools do. */
function resultOf({ content, is_error: failed }: Result): string {
  const words = wordsOf(content ?? '');
  if (failed !== true || /^error\b/i.test(words)) return words;
  return words === '' ? 'Error: the tool failed and gave no reason.' : `Error: ${words}`;
}

/** Blocks of text are joined by line ends, as engines join the parts of a message. */
function wordsOf(words: string | readonly Block[]): string {
  return typeof words === 'string'
    ? words
    : words.flatMap((block) => (block.type === 'text' && block.text !== '' ? [block.text] : [])).join('\n');
}
