/**
 * The arguments of calls in one spelling. A client that parses them sends them back in its own library's spacing,
 * order and forms of numbers, and what it says is still the same; what it changed is not.
 */
import type { Message, WireToolCall } from '../message.js';

/** A number beyond what a double holds is left as it stands: read and written again it would be another. */
const LONG_NUMBER = /\d{16}/;
const STRINGS = /"(?:[^"\\]|\\.)*"/g;

/**
 * The conversation with the arguments of its calls spelled as most engines emit them; the same list where they are
 * already.
 */
export function allSpelledAlike(messages: readonly Message[]): readonly Message[] {
  if (!messages.some((message) => message.role === 'assistant' && message.tool_calls !== undefined)) return messages;
  const spelled = messages.map(spelledAlike);
  return spelled.every((message, at) => message === messages[at]) ? messages : spelled;
}

/** {@link allSpelledAlike} of one message. */
export function spelledAlike<M extends Message>(message: M): M {
  if (message.role !== 'assistant' || message.tool_calls === undefined) return message;
  const calls = message.tool_calls.map(respelled);
  return calls.every((call, at) => call === message.tool_calls?.[at]) ? message : { ...message, tool_calls: calls };
}

function respelled(call: WireToolCall): WireToolCall {
  const text = spelling(call.function.arguments);
  return text === call.function.arguments ? call : { ...call, function: { ...call.function, arguments: text } };
}

/**
 * What is no JSON object stays as it is, but for nothing at all, which clients send back as an object without fields.
 */
export function spelling(text: string): string {
  if (text.trim() === '') return '{}';
  if (LONG_NUMBER.test(text) && LONG_NUMBER.test(text.replace(STRINGS, ''))) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? spell(value) : text;
  } catch {
    return text; // a policy may emit anything, also what is nested too deep to be gone through
  }
}

function spell(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spell).join(', ')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}: ${spell(field)}`).join(', ')}}`;
}
