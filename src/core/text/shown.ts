/**
 * Text of others on a terminal. A control character there moves the cursor, rings, sets titles or hides what follows; a
 * line end makes one line look like two of ours; an invisible one turns the direction of what is read.
 */

const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
/** What JSON itself leaves as it is: everything above U+001F. */
const UNSEEN_IN_JSON = /(?![\u0000-\u001f])[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** The text on one line, whatever cannot be seen as `\u001b`. */
export function shown(text: string): string {
  return text.replace(UNSEEN, escaped);
}

/** The same on lines of its own. */
export function shownLines(text: string): string {
  return text.split('\n').map(shown).join('\n');
}

/** The same JSON with everything in its strings visible. */
export function shownJson(json: string): string {
  return json.replace(UNSEEN_IN_JSON, escaped);
}

function escaped(char: string): string {
  return Array.from({ length: char.length }, (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join(
    '',
  );
}
