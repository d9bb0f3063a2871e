/** Items of the Responses API to messages. What the policy said in a row is one turn, however many items told it. */
import {
  assistantMessage,
  textOf,
  type AssistantMessage,
  type Message,
  type WireToolCall,
} from '../../core/message.js';
import type { Past } from '../protocol/past.js';
import type { Item } from './fields.js';
import { resolved } from './references.js';

type MessageItem = Extract<Item, { role: unknown }>;

/** Throws 404 for a reference to an item that this caller was never given. */
export function messagesOf(items: readonly Item[], past: Past): Message[] {
  const messages: Message[] = [];
  for (const item of resolved(items, past)) {
    if ('role' in item) {
      const said = item as MessageItem;
      if (said.role === 'assistant') say(messages, textOfContent(said.content), undefined);
      else messages.push({ role: said.role, content: textOfContent(said.content) });
    } else if (item.type === 'function_call') {
      say(messages, '', {
        id: item.call_id,
        type: 'function',
        function: { name: item.name, arguments: item.arguments },
      });
    } else if (item.type === 'function_call_output') {
      messages.push({ role: 'tool', tool_call_id: item.call_id, content: textOfContent(item.output) });
    }
    // Reasoning is not said again to the policy; calls of our own tools are in the log, which puts them back.
  }
  return messages;
}

/** Adds to the assistant's turn that is open, or opens one. */
function say(messages: Message[], text: string, call: WireToolCall | undefined): void {
  const last = messages.at(-1);
  const open: AssistantMessage | undefined = last?.role === 'assistant' ? last : undefined;
  if (open !== undefined) messages.pop();
  const calls = [...(open?.tool_calls ?? []), ...(call === undefined ? [] : [call])];
  messages.push(
    assistantMessage(
      textOf(open?.content ?? '') + text,
      calls.map(({ id, function: { name, arguments: args } }) => ({ id, name, arguments: args })),
    ),
  );
}

function textOfContent(content: MessageItem['content']): string {
  return typeof content === 'string'
    ? content
    : content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
}
