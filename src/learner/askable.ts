/**
 * Which held-out tasks the gate may ask. Pure. One whose answer nobody can tell the worth of shows nothing; and two
 * that ask the same are one: a question that has become right must not count as often as somebody has copied it.
 */
import { needsReference } from '../core/learning/deciding.js';
import type { Judge } from '../core/learning/judging.js';
import type { Task } from '../core/learning/task.js';
import { gistOf } from '../filter/alike.js';
import { gatesOwn } from '../promote/plan.js';

export interface Askable {
  /** Each question once. */
  readonly tasks: readonly Task[];
  readonly withoutReference: number;
  readonly asAnother: number;
}

/** Of several that ask the same, the first. */
export function askable(heldout: readonly Task[], judges: readonly Pick<Judge, 'kind'>[]): Askable {
  const judged = heldout.filter(({ reference }) => reference !== undefined || !judges.every(needsReference));
  const tasks = eachOnce(judged);
  return {
    tasks,
    withoutReference: heldout.length - judged.length,
    asAnother: judged.length - tasks.length,
  };
}

/** Of several that ask the same, the first. */
export function eachOnce(tasks: readonly Task[]): readonly Task[] {
  const first = new Map<string, Task>();
  for (const task of tasks) {
    const question = questionOf(task);
    if (!first.has(question)) first.set(question, task);
  }
  return [...first.values()];
}

/** Those of `asked` whose questions the gate never asks; `heldout`: all there are. */
export function keptFromGate(
  asked: readonly Task[],
  heldout: readonly Task[],
  judges: readonly Pick<Judge, 'kind'>[],
): readonly Task[] {
  const own = new Set(gatesOwn(askable(heldout, judges).tasks).map(questionOf));
  return asked.filter((task) => task.split === 'heldout' && !own.has(questionOf(task)));
}

/** In whichever case, spacing and punctuation, with the tools that it may use. */
function questionOf({ messages, tools }: Task): string {
  const { frame, sentences } = gistOf(messages, []);
  return JSON.stringify([frame, sentences.map(({ text }) => text), tools ?? null]);
}
