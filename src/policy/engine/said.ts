/**
 * What one delta says, whichever of the forms in use it says it in: a text or a list of parts, reasoning under several
 * names or among the parts, a refusal, and what comes beside text (citations, images, sound).
 */
import type { Beside } from '../../core/policy.js';

export interface Said {
  readonly text: string;
  readonly reasoning: string;
  readonly refusal: string;
  /** The parts of a content that is a list. */
  readonly parts?: readonly unknown[] | undefined;
  readonly beside?: Beside | undefined;
}

/** A delta, or a whole message, as servers write it; nothing about it is certain. */
export interface Delta {
  readonly content?: unknown;
  readonly reasoning?: unknown;
  readonly reasoning_content?: unknown;
  readonly refusal?: unknown;
  readonly tool_calls?: unknown;
  readonly function_call?: unknown;
  readonly [field: string]: unknown;
}

/** The names under which servers tell reasoning as a plain text. */
const REASONING = ['reasoning', 'reasoning_content', 'reasoning_text', 'thinking', 'tool_plan'] as const;
/** Lists that tell reasoning, where no plain text does. */
const REASONING_LISTS = ['reasoning_details', 'thinking_blocks'] as const;
const BESIDE = ['annotations', 'citations', 'search_results', 'images', 'audio'] as const;

/** Reads the forms beyond a plain text in `content`. */
export function saidIn(delta: Delta): Said {
  const { content } = delta;
  const plain = typeof content === 'string' ? content : '';
  const refusal = typeof delta.refusal === 'string' ? delta.refusal : '';
  const reasoning = reasoningOf(delta);
  const beside = besideOf(delta);
  if (!Array.isArray(content)) {
    const transcript = (beside?.['audio'] as { readonly transcript?: unknown } | undefined)?.transcript;
    const text = plain === '' && typeof transcript === 'string' ? transcript : plain;
    return { text, reasoning, refusal, beside };
  }
  const parts = content as readonly unknown[];
  let [text, thought, refused] = ['', reasoning, refusal];
  const more: Record<string, unknown[]> = {};
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    if (typeof part !== 'object' || part === null) continue;
    const { type } = part as { readonly type?: unknown };
    const words = wordsOf(part);
    if (type === 'thinking' || type === 'reasoning' || type === 'reasoning_text') thought += words;
    else if (type === 'refusal') refused += words;
    else if (type === 'image_url' || type === 'image') (more['images'] ??= []).push(part);
    else if (words !== '' || type === 'text' || type === 'output_text') text += words;
    else (more['parts'] ??= []).push(part);
  }
  const all = { ...beside, ...more };
  return {
    text,
    reasoning: thought,
    refusal: refused,
    parts,
    beside: Object.keys(all).length === 0 ? undefined : all,
  };
}

/** What comes beside the text in a message, or beside the choices of a chunk; undefined where there is nothing. */
export function besideOf(fields: Readonly<Record<string, unknown>>): Beside | undefined {
  let found: Record<string, unknown> | undefined;
  for (const name of BESIDE) {
    const value = fields[name];
    if (typeof value !== 'object' || value === null || (Array.isArray(value) && value.length === 0)) continue;
    (found ??= {})[name] = value;
  }
  return found;
}

/** The name under which a server tells reasoning as a plain text; undefined where it does not. */
export function reasoningName(fields: Readonly<Record<string, unknown>>): string | undefined {
  return REASONING.find((name) => typeof fields[name] === 'string' && fields[name] !== '');
}

/** The fields of a turn without reasoning that is a plain text. */
export function withoutReasoning(fields: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([name, value]) => typeof value !== 'string' || !(REASONING as readonly string[]).includes(name),
    ),
  );
}

function reasoningOf(delta: Delta): string {
  for (const name of REASONING) {
    const value = delta[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  for (const name of REASONING_LISTS) {
    const value = delta[name];
    if (!Array.isArray(value)) continue;
    const words = value.map(wordsOf).join('');
    if (words !== '') return words;
  }
  return '';
}

/** The words of a part; parts may lie in it. */
function wordsOf(part: unknown): string {
  if (typeof part === 'string') return part;
  if (typeof part !== 'object' || part === null) return '';
  const { text, thinking, summary, refusal } = part as Readonly<Record<string, unknown>>;
  for (const words of [text, thinking, summary, refusal]) {
    if (typeof words === 'string') return words;
    if (Array.isArray(words)) return words.map(wordsOf).join('');
  }
  return '';
}
