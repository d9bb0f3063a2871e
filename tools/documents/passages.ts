/**
 * Cuts a document into passages: what one search result shows. Headings stay with their text, paragraphs stay
 * whole as long as they fit, and a fenced block of code is never mistaken for headings.
 */

export interface Passage {
  /** The headings above it, outermost first, joined with " > "; '' when there are none. */
  readonly heading: string;
  readonly text: string;
}

/** Characters; about what a small model can still read five of. */
const MAX_CHARACTERS = 1_000;

/** `markdown` decides whether `#` lines are headings. */
export function passagesOf(text: string, markdown: boolean): Passage[] {
  const passages: Passage[] = [];
  const headings: string[] = [];
  let paragraphs: string[] = [];
  let lines: string[] = [];
  let fence: string | undefined;

  const endParagraph = (): void => {
    const paragraph = lines.join('\n').trim();
    if (paragraph !== '') paragraphs.push(paragraph);
    lines = [];
  };
  const endSection = (): void => {
    endParagraph();
    const heading = headings.filter((each) => each !== '').join(' > ');
    for (const packed of pack(paragraphs.flatMap(split))) passages.push({ heading, text: packed });
    paragraphs = [];
  };

  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const mark = /^\s*(```|~~~)/.exec(line)?.[1];
    const heading = markdown && fence === undefined ? /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line) : null;
    if (heading !== null) {
      endSection();
      const depth = heading[1]?.length ?? 1;
      headings.length = Math.min(headings.length, depth - 1);
      while (headings.length < depth - 1) headings.push('');
      headings.push(heading[2] ?? '');
      continue;
    }
    if (markdown && mark !== undefined) fence = fence === undefined ? mark : fence === mark ? undefined : fence;
    if (line.trim() === '' && fence === undefined) endParagraph();
    else lines.push(line);
  }
  endSection();
  return passages;
}

/** Neighbouring paragraphs share a passage while they fit. */
function pack(paragraphs: readonly string[]): string[] {
  const packed: string[] = [];
  for (const paragraph of paragraphs) {
    const last = packed.at(-1);
    if (last !== undefined && last.length + 2 + paragraph.length <= MAX_CHARACTERS)
      packed[packed.length - 1] = `${last}\n\n${paragraph}`;
    else packed.push(paragraph);
  }
  return packed;
}

/**
 * A paragraph that does not fit is cut behind a line, a sentence or a word, whichever lies latest in the second half.
 */
function split(paragraph: string): string[] {
  const parts: string[] = [];
  let rest = paragraph;
  while (rest.length > MAX_CHARACTERS) {
    const window = rest.slice(0, MAX_CHARACTERS);
    const sentence = Math.max(
      window.lastIndexOf('\n'),
      ...['. ', '! ', '? ', '。'].map((end) => window.lastIndexOf(end) + 1),
    );
    const word = window.lastIndexOf(' ');
    const cut = sentence > MAX_CHARACTERS / 2 ? sentence : word > MAX_CHARACTERS / 2 ? word : MAX_CHARACTERS;
    parts.push(rest.slice(0, cut).trim());
    rest = rest.slice(cut).trim();
  }
  return rest === '' ? parts : [...parts, rest];
}
