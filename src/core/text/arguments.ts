/**
 * A call's arguments as a JSON object, whatever text the policy wrote. Protocols and templates that want an object
 * all get the same one, so that what a client sends again is known again.
 */

/**
 * The JSON text of the arguments: the policy's own where it is an object; else the policy's words, readable under one
 * name.
 */
export function objectJson(text: string): string {
  if (isObject(text)) return text;
  return text.trim() === '' ? '{}' : JSON.stringify({ malformed_arguments: text });
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
