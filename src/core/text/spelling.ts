/**
 * The arguments of calls in one normal form. A client that parses the JSON of a call sends it back with its own
 * library's spacing, key order and forms of numbers: that is still the same message. With another value it is not.
 */
import type { Message, WireToolCall } from '../message.js';
import { isObject, outsideStrings, parseJson } from './json.js';

const LONG_NUMBER = /\d{16}/;
/** A number of so many digits that is no integer. */
const LONG_DECIMAL = /\d{16}\d*(?:\.\d|[eE])|\d\.\d*\d{16}/;

/**
 * The conversation with the arguments of its calls normalised as most engines emit them; the same list where they are
 * already.
 */
export function normaliseMessages(messages: readonly Message[]): readonly Message[] {
  if (!messages.some((message) => message.role === 'assistant' && message.tool_calls !== undefined)) return messages;
  const normalised = messages.map(normaliseMessage);
  return normalised.every((message, at) => message === messages[at]) ? messages : normalised;
}

/** {@link normaliseMessages} of one message. */
export function normaliseMessage<M extends Message>(message: M): M {
  if (message.role !== 'assistant' || message.tool_calls === undefined) return message;
  const calls = message.tool_calls.map(normaliseCall);
  return calls.every((call, at) => call === message.tool_calls?.[at]) ? message : { ...message, tool_calls: calls };
}

function normaliseCall(call: WireToolCall): WireToolCall {
  const text = normaliseArguments(call.function.arguments);
  return text === call.function.arguments ? call : { ...call, function: { ...call.function, arguments: text } };
}

/**
 * Anything but a JSON object stays as it is. The empty text becomes `{}`, because that is how clients send it back.
 */
export function normaliseArguments(text: string): string {
  if (text.trim() === '') return '{}';
  if (hasLongDecimal(text)) return text;
  try {
    const value = parseJson(text);
    return isObject(value) ? inNormalForm(value) : text;
  } catch {
    return text; // a policy may emit anything, also JSON nested too deep for the recursion
  }
}

/** Whether there is a number that no parser here keeps: it is left as it stands, or it would be another. */
function hasLongDecimal(json: string): boolean {
  return LONG_NUMBER.test(json) && LONG_DECIMAL.test(outsideStrings(json));
}

/** JSON as most engines emit it, with sorted keys. */
export function inNormalForm(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inNormalForm).join(', ')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}: ${inNormalForm(field)}`).join(', ')}}`;
}
