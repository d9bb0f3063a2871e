/**
 * The engine of `npm run dev`: no model, but it streams words at a pace one can watch, and where it is asked to compute
 * it calls the calculator.
 */
import { startEngine, type Engine, type EngineRequest, type Reply } from '../../tests/fakes/engine.js';

const PACE_MS = 30;

export const startScripted = (): Promise<Engine> => startEngine({ script });

function script({ body: { messages, tools = [] } }: EngineRequest): Reply {
  const last = messages.at(-1);
  if (last?.role === 'tool') return say(`The calculator says ${textOf(last.content)}.`);
  const asked = textOf(last?.content);
  const expression = expressionIn(asked);
  const calculator = tools.some((tool) => tool.function.name === 'calculator');
  return expression !== undefined && calculator
    ? { calls: [{ name: 'calculator', arguments: JSON.stringify({ expression }) }], delayMs: PACE_MS }
    : say(`You said "${asked}", and I am a script that has read no further than that.`);
}

const say = (text: string): Reply => ({ text, delayMs: PACE_MS });

/** The first thing in a text that can be computed. */
function expressionIn(text: string): string | undefined {
  const found = text.match(/[\d(][\d\s.()+*/^-]*[\d)]/g) ?? [];
  return found.find((part) => /\d\s*\)*\s*[-+*/^]+\s*\(*\s*\d/.test(part));
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: { readonly text?: string }) => part.text ?? '').join('');
}
