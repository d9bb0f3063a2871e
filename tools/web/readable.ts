/**
 * The text of an HTML page as a person would read it: no scripts, no styles, no menus, nothing hidden; paragraphs
 * apart, lists and tables in lines. One pass over the text, so that a page made to be slow is not.
 */
import { setImmediate as yieldToOthers } from 'node:timers/promises';

import { unescaped } from './entities.js';

export interface Readable {
  readonly title: string;
  readonly text: string;
}

/** Their content is no markup: it ends at their own end tag and nowhere else (HTML standard, raw text elements). */
const RAW = new Set(['script', 'style', 'title', 'textarea', 'xmp', 'iframe', 'noembed', 'noframes', 'noscript']);
/** Shown, but no part of the text of a page. */
const LEFT_OUT = new Set([
  'nav',
  'footer',
  'aside',
  'template',
  'svg',
  'math',
  'canvas',
  'object',
  'audio',
  'video',
  'select',
  'button',
  'dialog',
]);
const VOID = new Set([
  'area',
  'base',
  'br',
  'col',
  'embed',
  'hr',
  'img',
  'input',
  'link',
  'meta',
  'param',
  'source',
  'track',
  'wbr',
]);
const BLOCK = new Set([
  'address',
  'article',
  'blockquote',
  'body',
  'caption',
  'dd',
  'details',
  'div',
  'dl',
  'dt',
  'fieldset',
  'figcaption',
  'figure',
  'form',
  'header',
  'hr',
  'main',
  'ol',
  'p',
  'pre',
  'section',
  'summary',
  'table',
  'ul',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
]);
/** They begin a line. */
const LINE = new Set(['br', 'li', 'tr', 'legend']);
const [SPACE, DOUBLE, SINGLE, EQUALS, GREATER] = [0x20, 0x22, 0x27, 0x3d, 0x3e];
/** Pieces of a page after which the event loop goes on: other requests are being answered meanwhile. */
const PIECES_PER_TURN = 2_000;
/** Characters of text that are kept; a policy is shown far fewer. */
const MAX_TEXT = 512 * 1024;
/** Characters of a tag that are looked at. */
const MAX_ATTRIBUTES = 1_000;
/** Characters; a shorter main part is an empty frame around what a script would show, so the whole page is taken. */
const MIN_MAIN = 200;

export async function readable(html: string): Promise<Readable> {
  const page = new Page(html, true);
  await page.read();
  // An element that is never closed hides all the rest: then nothing is left out.
  const whole = page.unclosed ? new Page(html, false) : page;
  if (whole !== page) await whole.read();
  const main = tidy(whole.main);
  return {
    title: tidy(unescaped(page.title)).replace(/\s+/g, ' '),
    text: main.length >= MIN_MAIN ? main : tidy(whole.all),
  };
}

class Page {
  title = '';
  readonly #html: string;
  readonly #leaveOut: boolean;
  readonly #all: string[] = [];
  readonly #main: string[] = [];
  /** The element that is being left out, and how many elements of its name are open in it. */
  #skipped: { readonly name: string; depth: number } | undefined;
  #mainDepth = 0;
  /** The text so far ends with white space. */
  #spaced = true;
  #preDepth = 0;

  constructor(html: string, leaveOut: boolean) {
    this.#html = html;
    this.#leaveOut = leaveOut;
  }

  get unclosed(): boolean {
    return this.#skipped !== undefined;
  }

  get all(): string {
    return cut(this.#all.join(''));
  }

  get main(): string {
    return cut(this.#main.join(''));
  }

  async read(): Promise<void> {
    const html = this.#html;
    let at = 0;
    for (let piece = 1; at < html.length; piece += 1) {
      if (piece % PIECES_PER_TURN === 0) await yieldToOthers();
      const open = html.indexOf('<', at);
      if (open === -1) return this.#text(html.slice(at));
      if (open > at) this.#text(html.slice(at, open));
      at = this.#markup(open);
    }
  }

  /** What begins with "<" at `open`; returns where it ends. */
  #markup(open: number): number {
    const html = this.#html;
    const next = html[open + 1] ?? '';
    if (html.startsWith('<!--', open)) return after(html, '-->', open + 2);
    if (next === '!' || next === '?') return after(html, '>', open + 2);
    const name = /^\/?[a-zA-Z][^\s/>]*/.exec(html.slice(open + 1, open + 65))?.[0].toLowerCase();
    if (name === undefined) {
      // "a < b" is text.
      this.#text('<');
      return open + 1;
    }
    const end = tagEnd(html, open + 1 + name.length);
    if (name.startsWith('/')) this.#close(name.slice(1));
    else if (RAW.has(name)) return this.#raw(name, end);
    else this.#open(name, html.slice(open + 1 + name.length, end - 1));
    return end;
  }

  #raw(name: string, from: number): number {
    const closing = new RegExp(`</${name}[\\s/>]`, 'gi');
    closing.lastIndex = from;
    const found = closing.exec(this.#html);
    const to = found?.index ?? this.#html.length;
    if (name === 'title' && this.title === '') this.title = this.#html.slice(from, to);
    return found === null ? to : tagEnd(this.#html, to);
  }

  #open(name: string, attributes: string): void {
    if (this.#skipped !== undefined) {
      if (name === this.#skipped.name) this.#skipped.depth += 1;
      return;
    }
    if (
      this.#leaveOut &&
      !VOID.has(name) &&
      !attributes.endsWith('/') &&
      (LEFT_OUT.has(name) || isHidden(attributes))
    ) {
      this.#skipped = { name, depth: 1 };
      return;
    }
    if (name === 'main' || name === 'article') this.#mainDepth += 1;
    if (BLOCK.has(name)) this.#put('\n\n');
    else if (LINE.has(name)) this.#put('\n');
    if (name === 'li') this.#put('- ');
    if (name === 'pre') this.#preDepth += 1;
  }

  #close(name: string): void {
    if (this.#skipped !== undefined) {
      if (name === this.#skipped.name) this.#skipped.depth -= 1;
      if (this.#skipped.depth === 0) this.#skipped = undefined;
      return;
    }
    if (BLOCK.has(name)) this.#put('\n\n');
    if (name === 'td' || name === 'th') this.#put('\t');
    if (name === 'pre') this.#preDepth = Math.max(0, this.#preDepth - 1);
    if (name === 'main' || name === 'article') this.#mainDepth = Math.max(0, this.#mainDepth - 1);
  }

  #text(text: string): void {
    if (this.#skipped !== undefined) return;
    if (this.#preDepth > 0) return this.#put(unescaped(text));
    const flat = unescaped(text.replace(/\s+/g, ' '));
    this.#put(this.#spaced && flat.startsWith(' ') ? flat.slice(1) : flat);
  }

  #put(text: string): void {
    if (text === '') return;
    this.#spaced = /\s$/.test(text.slice(-1));
    this.#all.push(text);
    if (this.#mainDepth > 0) this.#main.push(text);
  }
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}\n[the rest of this page is left out]`;
}

/** The place after the next `mark`; the end where there is none. */
function after(html: string, mark: string, from: number): number {
  const found = html.indexOf(mark, from);
  return found === -1 ? html.length : found + mark.length;
}

/** The place after the ">" that ends a tag; one inside a quoted value ends nothing. */
function tagEnd(html: string, from: number): number {
  let before = 0;
  for (let at = from; at < html.length; at += 1) {
    const code = html.charCodeAt(at);
    if (code === GREATER) return at + 1;
    if ((code === DOUBLE || code === SINGLE) && before === EQUALS) {
      const closing = html.indexOf(code === DOUBLE ? '"' : "'", at + 1);
      if (closing === -1) return html.length;
      at = closing;
    }
    if (code > SPACE) before = code;
  }
  return html.length;
}

/** Text that people do not see is where instructions for a model are hidden. */
function isHidden(all: string): boolean {
  const attributes = all.slice(0, MAX_ATTRIBUTES);
  return (
    attributes !== '' &&
    (/(^|\s)hidden(\s|=|$)/i.test(attributes) ||
      /aria-hidden\s*=\s*["']?true/i.test(attributes) ||
      /style\s*=[^>]*(display\s*:\s*none|visibility\s*:\s*hidden)/i.test(attributes))
  );
}

/** Spaces and empty lines as a person would set them. */
function tidy(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd().replace(/^ (?! )/, ''))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
