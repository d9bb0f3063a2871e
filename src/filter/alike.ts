/**
 * When two states are nearly the same, so that what is learned from one is learned from the other: they differ in case,
 * punctuation, spacing and emoji, or in a few words that one of them has in addition. It is Broder's resemblance and
 * containment ("On the resemblance and containment of documents", 1997) with the threshold that Lee et al. found for
 * near-duplicates (arXiv 2107.06499), taken sentence by sentence: one question after the same long document is another
 * question. A sentence is short, so nothing is estimated by hashes: the rule is exact and the same everywhere. Numbers
 * and signs must be equal and in the same order, because a template with other numbers is another question.
 */
import { type Message, textOf } from '../core/message.js';
import type { FunctionSpec } from '../core/policy.js';
import { canonicalJson } from '../core/text/hash.js';

/** What of a state is compared. */
export interface Gist {
  /** Roles, numbers, signs and how many sentences: states are never nearly the same where this differs. */
  readonly frame: string;
  readonly sentences: readonly Sentence[];
}

/** In lower case, without punctuation. */
interface Sentence {
  readonly text: string;
  readonly words: readonly string[];
}

/** So much of the longer of two sentences the shorter one must be. */
const RESEMBLANCE = 0.8;

/** A number, or a sign that is a part of arithmetic, code or an address. */
const EXACT = /\p{N}+(?:[.,]\p{N}+)*|[\p{Sm}\p{Sc}\p{Sk}+*/%&@#\\^_|(){}[\]-]/gu;
const WORD = /\p{N}+(?:[.,]\p{N}+)*|[\p{L}\p{M}]+/gu;
/** Where a sentence ends. A point within a number or an address does not end one. */
const END = /[.!?…]+(?=\s|$)|[。！？\n\r]+/u;

export function gistOf(messages: readonly Message[], tools: readonly FunctionSpec[]): Gist {
  const parts = [['tools', tools.map((tool) => canonicalJson(tool)).join('\n')], ...messages.map(partOf)] as const;
  const sentences: Sentence[] = [];
  const frame = parts.map(([role, said]) => {
    const before = sentences.length;
    for (const sentence of said.normalize('NFKC').toLowerCase().split(END)) {
      const words = sentence.match(WORD) ?? [];
      if (words.length > 0) sentences.push({ text: words.join(' '), words });
    }
    // As it was written: NFKC makes 52 of 5².
    return [role, sentences.length - before, ...(said.match(EXACT) ?? [])].join(' ');
  });
  return { frame: frame.join('\n'), sentences };
}

/** Ids of calls are left out: they are new in every conversation. */
function partOf(message: Message): readonly [role: string, said: string] {
  const { role, content } = message;
  const text =
    typeof content === 'string' || content === null || content.every((part) => part.type === 'text')
      ? textOf(content)
      : canonicalJson(content);
  const calls = role === 'assistant' ? (message.tool_calls ?? []) : [];
  return [role, [text, ...calls.map((call) => `${call.function.name}\n${call.function.arguments}`)].join('\n')];
}

/** Looks at the last sentence first: what is said first is often the same for all. */
export function nearlySame(a: Gist, b: Gist): boolean {
  if (a.frame !== b.frame) return false;
  for (let at = a.sentences.length - 1; at >= 0; at -= 1) {
    const [one, other] = [a.sentences[at], b.sentences[at]];
    if (one === undefined || other === undefined || !resembles(one, other)) return false;
  }
  return true;
}

/** Whether one is the other with a few words in between. */
function resembles(a: Sentence, b: Sentence): boolean {
  // Of as many words they are the same, or one of them says something else.
  if (a.words.length === b.words.length) return a.text === b.text;
  const [long, short] = a.words.length > b.words.length ? [a.words, b.words] : [b.words, a.words];
  let spare = long.length - short.length;
  if (short.length < RESEMBLANCE * long.length) return false;
  let found = 0;
  for (const word of long) {
    if (word === short[found]) found += 1;
    else if (spare === 0) return false;
    else spare -= 1;
  }
  return true;
}

/** The states met so far, of those that are nearly the same only the first. */
export class Distinct<T> {
  readonly #byFrame = new Map<string, { readonly gist: Gist; readonly first: T }[]>();

  /** The one met before that this is nearly the same as; undefined where it is new. */
  add(gist: Gist, item: T): T | undefined {
    let alike = this.#byFrame.get(gist.frame);
    if (alike === undefined) this.#byFrame.set(gist.frame, (alike = []));
    const known = alike.find((other) => nearlySame(gist, other.gist));
    if (known === undefined) alike.push({ gist, first: item });
    return known?.first;
  }
}
