/**
 * A call's arguments as a JSON object, whatever text the policy wrote. Anthropic's `tool_use.input` and some chat
 * templates take objects only. All of them get the same one, so that the log recognises a turn its client sends again.
 */
import { isObject } from './json.js';

/**
 * The JSON text of the arguments: the policy's own text where it is an object; else that text as a string under
 * `malformed_arguments`, so that policy and client can read what was wrong.
 */
export function objectJson(text: string): string {
  if (isObjectJson(text)) return text;
  return text.trim() === '' ? '{}' : JSON.stringify({ malformed_arguments: text });
}

/** Whether a text is one JSON object, as the arguments of a call are to be. */
export function isObjectJson(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
