/**
 * Where an answer says that it is the answer: `\boxed{}`, `####`, `<answer>`, "the answer is", in the words of several
 * languages. What is marked is preferred over whatever else is said. Pure.
 */

export interface Stated {
  /** What is stated: behind the last mark, or all that was said. */
  readonly text: string;
  readonly marked: boolean;
}

/** Taken back, and said anew without a mark. */
const CORRECTION = /\b(?:wait|actually|correction|sorry|scratch that|oops|i made a mistake)\b/iu;

const NOUN = String.raw`(?:answer|correct (?:choice|option)|(?:choice|option) (?=is\b))`;
/** These are said of steps on the way as well: they count in the last sentence. */
const WEAK = /(?<![\p{L}]|\bin\s)(?:solution|result|total|Ergebnis|resultado|résultat|risultato)/iu;
const TO = String.raw`(?:\s+(?:to|of|for)\s+(?:this|the|your|that)\s+[\p{L} ]{1,40}?)?`;
const IS = [
  String.raw`(?:\s*(?:is|are|was|would be|should be|must be|equals?)(?!\w)`,
  String.raw`(?:\s+(?:therefore|thus|simply|just))?\s*:?|\s*[:=])`,
].join('');
const PHRASES = new RegExp(
  [
    String.raw`(?<![\p{L}]|\bin\s)(?:${NOUN}|solution|result|total)${TO}${IS}`,
    String.raw`答案\s*(?:应该)?\s*(?:是|为|:)`,
    String.raw`答え\s*(?:は|:)`,
    String.raw`正解\s*(?:は|:)`,
    String.raw`정답\s*(?:은|:)`,
    String.raw`(?:الجواب|الإجابة|جواب)\s*(?:الصحيح(?:ة)?\s*)?(?:هو|هي|:)`,
    String.raw`उत्तर\s*(?:है|:)?`,
    String.raw`(?:Antwort|Ergebnis|Lösung)\s*(?:ist|lautet|:)`,
    String.raw`(?:respuesta|resultado)\s*(?:correcta\s*)?(?:es|:)`,
    String.raw`(?:réponse|résultat)\s*(?:est|:)`,
    String.raw`(?:risposta|risultato)\s*(?:è|:)`,
    String.raw`(?:resposta)\s*(?:é|:)`,
    String.raw`ответ\s*:?`,
  ].join('|'),
  'giu',
);
/** A point that ends a sentence, not one behind an initial or in an abbreviation. */
const END = /(?<!(?:^|[\s.(])(?:\p{Lu}|Mr|Mrs|Dr|St|Jr|Sr|vs|No|[ap]\.m))[.!?](?=[\s"')\]*]|$)|[。！？؟।\n]/u;

/** The sentences of a text, and the lines, without what ends them. */
export function sentencesOf(text: string): readonly string[] {
  const sentences: string[] = [];
  for (let rest = text; rest !== '';) {
    const end = END.exec(rest);
    const sentence = (end === null ? rest : rest.slice(0, end.index + (end[0] === '?' ? 1 : 0))).trim();
    if (/[\p{L}\p{N}]/u.test(sentence)) sentences.push(sentence);
    rest = end === null ? '' : rest.slice(end.index + 1);
  }
  return sentences;
}

/** What is said aloud: no thoughts. */
function aloud(text: string): string {
  return text
    .replace(/<(think|thinking|reasoning)>[\s\S]*?<\/\1>/giu, '')
    .replace(/^[\s\S]*<\/(?:think|thinking|reasoning)>/iu, '')
    .replace(/<(?:think|thinking|reasoning)>[\s\S]*$/iu, '');
}

/** So much of the end of a text is looked through for a mark. */
const LONGEST = 16_000;
/** What is read closely: of a marked answer its beginning, else the beginning and the end of the text. */
const MARKED = 600;
const HEAD = 600;
const TAIL = 1_400;

export function statedIn(said: string): Stated {
  const text = aloud(said);
  const found = markedIn(text.slice(-LONGEST));
  if (found.marked) return { text: found.text.slice(0, MARKED), marked: true };
  // What was taken back is not at the beginning.
  const spoken = found.text.length < Math.min(LONGEST, text.length) ? found.text : text;
  return {
    text: spoken.length <= HEAD + TAIL ? spoken : `${spoken.slice(0, HEAD)}\n${spoken.slice(-TAIL)}`,
    marked: false,
  };
}

function markedIn(text: string): Stated {
  const boxed = lastBoxed(text);
  if (boxed !== undefined) return { text: boxed, marked: true };
  const hashes = text.lastIndexOf('####');
  if (hashes >= 0)
    return {
      text:
        text
          .slice(hashes + 4)
          .trim()
          .split('\n', 1)[0] ?? '',
      marked: true,
    };
  const tagged = [...text.matchAll(/<answer>([\s\S]*?)(?:<\/answer>|$)/giu)].at(-1)?.[1];
  if (tagged !== undefined) return { text: tagged.trim(), marked: true };
  const unmarked = text.replace(/\*\*|__|`/gu, '');
  const behindOf = ({ index, 0: words }: RegExpExecArray): readonly string[] =>
    sentencesOf(unmarked.slice(index + words.length));
  const phrase = [...unmarked.matchAll(PHRASES)].findLast((each) => !WEAK.test(each[0]) || behindOf(each).length < 2);
  if (phrase === undefined) return { text, marked: false };
  const [first = '', ...rest] = behindOf(phrase);
  if (CORRECTION.test(rest.join(' '))) return { text: rest.join('\n'), marked: false };
  return { text: first, marked: true };
}

const MOST_BOXES = 16;

/** Of the last box, or of the last few where they are offered as alternatives. */
function lastBoxed(text: string): string | undefined {
  const openings = [...text.matchAll(/\\f?boxed\s*\{|\\fbox\s*\{/gu)].slice(-MOST_BOXES);
  const boxes: { readonly start: number; readonly end: number; readonly inner: string }[] = [];
  for (const { index, 0: opening } of openings) {
    const from = index + opening.length;
    let depth = 1;
    let at = from;
    for (; at < text.length && depth > 0; at += 1) {
      if (text[at] === '{') depth += 1;
      if (text[at] === '}') depth -= 1;
    }
    boxes.push({ start: index, end: at, inner: text.slice(from, depth === 0 ? at - 1 : at) });
  }
  const last = boxes.at(-1);
  if (last === undefined) return undefined;
  let joined = last.inner;
  for (let at = boxes.length - 1; at > 0; at -= 1) {
    const [before, here] = [boxes[at - 1], boxes[at]];
    if (before === undefined || here === undefined || before.end > here.start) break;
    const between = text.slice(before.end, here.start);
    if (!/^[\s$,;.]*(?:\b(?:or|and)\b)?[\s$]*$/u.test(between) || before.inner === here.inner) break;
    joined = `${before.inner} or ${joined}`;
  }
  return joined;
}
