/**
 * Mathematical answers that are no single number: roots, terms, tuples, intervals. Two are the same where they are
 * worth the same, with their letters at several values. Pure.
 */
import type { MathNode } from 'mathjs';
import { createRequire } from 'node:module';

import { type Stated, sentencesOf } from './marks.js';
import { sameNumber } from './quantities.js';
import { plain } from './writing.js';

/** An answer is short; what is longer is not read. */
const LONGEST = 200;
const MATHEMATICAL =
  /\\[a-z]{2,}|[\^√π]|sqrt|\d[a-z](?![a-z\d])|[a-z]\s*[+*^]\s*\d|\d\s*[+*^]\s*[\d(a-z]|^[[(].*\d.*,.*[)\]]$/u;
/** Letters are tried at these values; twice the same by chance is likely enough with one. */
const POINTS = [0.731, 1.618, 2.917];

type Parse = (expression: string) => MathNode;
let parser: Parse | undefined;

/** Loaded when the first such reference is compared: one file, as `tools/calculator/child.js` does. Only parses. */
function parse(expression: string): MathNode | undefined {
  parser ??= (createRequire(import.meta.url)('mathjs/lib/browser/math.js') as { readonly parse: Parse }).parse;
  try {
    return parser(expression);
  } catch {
    return undefined;
  }
}

export function isExpression(reference: string): boolean {
  return reference.length <= LONGEST && MATHEMATICAL.test(reference) && parts(plain(reference)) !== undefined;
}

/** Whether the expression that is stated is worth what `reference` is. */
export function statesExpression({ text, marked }: Stated, reference: string): boolean {
  const wanted = parts(plain(reference));
  if (wanted === undefined) return false;
  return readings(text, marked).some((reading) => {
    const stated = parts(reading);
    return stated !== undefined && same(stated, wanted);
  });
}

function readings(text: string, marked: boolean): readonly string[] {
  const last = marked ? text : (sentencesOf(text).at(-1) ?? '');
  const math = [...last.matchAll(/\$([^$]+)\$/gu)].at(-1)?.[1];
  const whole = plain(last).replace(/[.\s]+$/u, '');
  const behind = /.*(?:=|:|\b(?:is|are|equals|get|gives)\b)\s*(.+)$/su.exec(whole)?.[1];
  return [math === undefined ? undefined : plain(math), behind, whole]
    .filter((each) => each !== undefined)
    .flatMap((each) => [each, each.slice(each.lastIndexOf('=') + 1)]);
}

interface Parts {
  /** `(` and `]` of an interval or a tuple; empty for a single term. */
  readonly opens: string;
  readonly closes: string;
  readonly terms: readonly MathNode[];
}

function parts(text: string): Parts | undefined {
  if (text.length > LONGEST) return undefined;
  const bare = text
    .trim()
    .replace(/^[a-z]\s*=\s*/u, '')
    .replace(/^[a-z]\s*∈\s*/u, '');
  const tuple = /^([[(])(.+)([)\]])$/su.exec(bare);
  const inner = tuple === null ? undefined : commas(tuple[2] ?? '');
  const [opens, closes, written] =
    tuple === null || inner === undefined || inner.length < 2 ? ['', '', [bare]] : [tuple[1], tuple[3], inner];
  const terms = written.map((term) => parse(calculable(term))).filter((node) => node !== undefined);
  const read = terms.length === written.length && terms.every(isPlain);
  return read ? { opens: opens ?? '', closes: closes ?? '', terms } : undefined;
}

/** Split at the commas that stand in no bracket; undefined where brackets do not fit. */
function commas(text: string): readonly string[] | undefined {
  const found = [''];
  let depth = 0;
  for (const character of text) {
    if (/[([]/.test(character)) depth += 1;
    if (/[)\]]/.test(character)) depth -= 1;
    if (depth < 0) return undefined;
    if (character === ',' && depth === 0) found.push('');
    else found.push((found.pop() ?? '') + character);
  }
  return found;
}

function calculable(term: string): string {
  return term
    .replace(/[×·]/gu, '*')
    .replace(/π/gu, ' pi ')
    .replace(/∞/gu, 'infinity')
    .replace(/[°$]/gu, '')
    .replace(/(?:\s+(?!(?:pi|infinity|sqrt)\b)\p{L}{2,}\.?)+\s*$/gu, '')
    .trim();
}

const FUNCTIONS: Readonly<Record<string, (value: number) => number>> = {
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  ln: Math.log,
  log: Math.log10,
  abs: Math.abs,
};
const CONSTANTS: Readonly<Record<string, number>> = { pi: Math.PI, infinity: Infinity, e: Math.E };

/** The few kinds of node that are reckoned here; nothing else of an answer is run. */
interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly name?: string;
  readonly op?: string;
  readonly args?: readonly Node[];
  readonly content?: Node;
  readonly fn?: { readonly name?: string };
}

function isPlain(node: MathNode): boolean {
  return !Number.isNaN(worth(node, 1.25));
}

/** NaN for what is not reckoned. Each letter has a value of its own. */
function worth(node: Node, point: number): number {
  const [left = Number.NaN, right = Number.NaN] = (node.args ?? []).map((each) => worth(each, point));
  switch (node.type) {
    case 'ConstantNode':
      return Number(node.value);
    case 'ParenthesisNode':
      return node.content === undefined ? Number.NaN : worth(node.content, point);
    case 'SymbolNode':
      return valueOf(node.name ?? '', point);
    case 'FunctionNode': {
      const name = node.fn?.name ?? '';
      // x(x+1) is a product.
      return FUNCTIONS[name]?.(left) ?? valueOf(name, point) * left;
    }
    case 'OperatorNode':
      return operated(node.op ?? '', left, right, node.args?.length === 1);
    default:
      return Number.NaN;
  }
}

function valueOf(name: string, point: number): number {
  return CONSTANTS[name] ?? (/^[a-zA-Z]$/.test(name) ? point + (name.charCodeAt(0) % 32) / 7 : Number.NaN);
}

function operated(op: string, left: number, right: number, alone: boolean): number {
  switch (op) {
    case '+':
      return alone ? left : left + right;
    case '-':
      return alone ? -left : left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '^':
      return left ** right;
    default:
      return Number.NaN;
  }
}

function same(stated: Parts, wanted: Parts): boolean {
  if (stated.opens !== wanted.opens || stated.closes !== wanted.closes) return false;
  if (stated.terms.length !== wanted.terms.length) return false;
  return stated.terms.every((term, at) =>
    POINTS.every((point) => {
      const other = wanted.terms[at];
      const [a, b] = [term, other].map((node) => worth(node as unknown as Node, point));
      return a !== undefined && b !== undefined && (a === b || sameNumber(a, b));
    }),
  );
}
