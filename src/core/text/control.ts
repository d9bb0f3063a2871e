/**
 * Control tokens in text from outside. A tokenizer reads `<|im_end|>` as the end of a turn wherever it stands, so a
 * page or a user that says it would speak as somebody else. Broken by a space after its first character
 * (`< |im_end|>`) it is text: any reader sees it, JSON stays JSON, and to break it again changes nothing.
 */

/** Control tokens of a model by what they are for. */
export interface ControlTokens {
  /** Special tokens, and what begins or ends a turn: no text has any business with them. */
  readonly turns: readonly string[];
  /** Markup inside a turn, such as `<tool_call>`: a system message or an answer may well speak of it. */
  readonly markup: readonly string[];
}

/** Breaks control tokens in text. The same text comes back where there is none. */
export interface Neutraliser {
  /** Whether JSON has anything to break in it, wherever it stands. */
  finds(json: string): boolean;
  /** Instructions and answers: turns are broken, markup stays. */
  said(text: string): string;
  /** What users, tools and documents bring: both are broken. */
  brought(text: string): string;
}

/** How the common families of models write what `turns` has. */
const TURNS = [
  /<\|[^\s<>|]{1,64}\|?>/, // ChatML, Llama 3, Phi, Granite, GLM, gpt-oss; `<|turn>` of Gemma 4
  /<[^\s<>|]{1,64}\|>/,
  /<｜[^｜<>]{1,64}｜>/, // DeepSeek
  /<(?:start|end)_of_turn>/,
  /<\/?s>|<(?:bos|eos|pad|unk|sop|eop)>|\[gMASK\]/,
  /\[\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|CALL_ID|ARGS|MODEL_SETTINGS)\]/,
  /<<\/?SYS>>/,
  /\]~!?b[[\]]|\[e~\[/, // MiniMax
];

/** How they write what `markup` has. */
const MARKUP = [/<\/?(?:[a-z]+:)?(?:tool_calls?|tool_responses?|function_calls?|think|arg_key|arg_value)>/];

const anyOf = (patterns: readonly RegExp[]): string => patterns.map(({ source }) => `(?:${source})`).join('|');

/** For an engine whose tokens are not known: whatever a common family of models would take for a control token. */
export const ANY_MODEL: Neutraliser = neutraliser(anyOf(TURNS), anyOf(MARKUP));

/** The control tokens a chat template writes, as far as they look like those of a common family. */
export function controlTokensIn(template: string): ControlTokens {
  const found = (patterns: readonly RegExp[]): string[] => [
    ...new Set(template.match(new RegExp(anyOf(patterns), 'g')) ?? []),
  ];
  return { turns: found(TURNS), markup: found(MARKUP) };
}

/** Whether a token is markup inside a turn, whatever its tokenizer makes of it. */
export function isMarkup(token: string): boolean {
  return new RegExp(`^(?:${anyOf(MARKUP)})$`).test(token);
}

/** For a model whose control tokens are known. */
export function neutraliserOf({ turns, markup }: ControlTokens): Neutraliser {
  return neutraliser(literally(turns), literally(markup));
}

/** The longest first. Words, blanks and single characters cannot be broken, and are what everyone writes. */
function literally(tokens: readonly string[]): string {
  return [...new Set(tokens)]
    .filter((token) => token.length > 1 && !/^[\p{L}\p{N}\p{M}\s▁]*$/u.test(token))
    .sort((a, b) => b.length - a.length)
    .map((token) => token.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll('\n', '\\n'))
    .join('|');
}

function neutraliser(turns: string, markup: string): Neutraliser {
  const said = breaking(turns);
  const brought = breaking([turns, markup].filter((source) => source !== '').join('|'));
  // A token with a quote, a backslash or a line's end in it is spelt in another way in JSON.
  const unlikeJson = /\\["\\n]|"/.test(turns + markup);
  return {
    finds: (json) => unlikeJson || brought.pattern?.test(json) === true,
    said: said.break,
    brought: brought.break,
  };
}

function breaking(source: string): { readonly pattern: RegExp | undefined; break(text: string): string } {
  if (source === '') return { pattern: undefined, break: (text) => text };
  const pattern = new RegExp(source);
  const all = new RegExp(source, 'g');
  return {
    pattern,
    break(text) {
      let broken = text;
      // Again while there is one: of two that overlap the first is broken first.
      while (pattern.test(broken)) broken = broken.replace(all, (token) => `${token.charAt(0)} ${token.slice(1)}`);
      return broken;
    },
  };
}
