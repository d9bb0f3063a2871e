/**
 * Prompts of a model judge: files with a part for the system and one for the user, in which `{{name}}` stands for what
 * is judged. Everything is put in at once, so that a `{{name}}` in what somebody wrote stays what it is.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { operatorError, reasonOf } from '../../core/errors.js';
import { installedWith } from '../../core/running/installed.js';
import { nearest } from '../../core/text/nearest.js';

/** Those that come with Gyre, in `prompts/`. */
export const PROMPTS = ['process', 'reward', 'outcome', 'ranking'] as const;

/** What may stand in a prompt. `mark` is drawn for each question: nobody who is judged can write it. */
const SLOTS = ['mark', 'tools', 'conversation', 'action', 'after', 'feedback', 'first', 'second'] as const;
export type Slots = Readonly<Record<(typeof SLOTS)[number], string>>;

/** Of one that compares two answers. */
const COMPARES = 'compare';

export interface Prompt {
  readonly system: string;
  readonly user: string;
}

const MISSING = 'the folder "prompts" is missing from this installation';
const DIVIDER = /^=== user[^\S\n]*\n/m;
const SLOT = /\{\{(\w+)\}\}/g;

/** A name, or the path of a file. Throws an operator error that names the file and what it lacks. */
export function readPrompt(name: string): Prompt {
  const file = [...PROMPTS, COMPARES].includes(name)
    ? join(installedWith(['prompts/process.md'], MISSING), 'prompts', `${name}.md`)
    : name;
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/\r\n/g, '\n');
  } catch (cause) {
    throw operatorError(
      `the prompt "${name}" of a judge cannot be read (${reasonOf(cause)}). ` +
        `It is ${PROMPTS.join(', ')}, or the path of a file.`,
      cause,
    );
  }
  const [system, user, more] = text.split(DIVIDER);
  if (system === undefined || user === undefined || more !== undefined)
    throw operatorError(`the prompt "${file}" needs one line "=== user" between the system's part and the user's.`);
  for (const [, slot = ''] of text.matchAll(SLOT))
    if (!(SLOTS as readonly string[]).includes(slot))
      throw operatorError(
        `the prompt "${file}" has {{${slot}}}; did you mean {{${nearest(slot, SLOTS)}}}? ` +
          `There are: ${SLOTS.join(', ')}.`,
      );
  const needed = name === COMPARES ? (['mark', 'first', 'second'] as const) : (['mark', 'action'] as const);
  for (const slot of needed)
    if (!user.includes(`{{${slot}}}`))
      throw operatorError(`the prompt "${file}" lacks {{${slot}}} in the user's part.`);
  return { system: system.trim(), user: user.trim() };
}

export function filled({ system, user }: Prompt, slots: Slots): Prompt {
  const put = (text: string): string => text.replace(SLOT, (all, slot: string) => slots[slot as keyof Slots] ?? all);
  return { system: put(system), user: put(user) };
}
