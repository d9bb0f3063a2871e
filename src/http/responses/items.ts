/** Items of the Responses API to messages. Consecutive items of the policy are one turn. */
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
      const message = item as MessageItem;
      if (message.role === 'assistant') addToTurn(messages, textOfContent(message.content), undefined);
      else messages.push({ role: message.role, content: textOfContent(message.content) });
    } else if (item.type === 'function_call') {
      addToTurn(messages, '', {
        id: item.call_id,
        type: 'function',
        function: { name: item.name, arguments: item.arguments },
      });
    } else if (item.type === 'function_call_output') {
      messages.push({ role: 'tool', tool_call_id: item.call_id, content: textOfContent(item.output) });
    }
    // Reasoning is not sent to the policy again; calls of our own tools are in the log, which puts them back.
  }
  return messages;
}

/** Adds to the assistant's turn that is open, or opens one. */
function addToTurn(messages: Message[], text: string, call: WireToolCall | undefined): void {
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
