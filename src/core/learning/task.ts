/** Tasks: questions asked on purpose, with what a rule judge may compare the answer with. */
import { z } from 'zod';

import { faultOf } from '../check.js';
import { operatorError } from '../errors.js';
import type { Message } from '../message.js';
import { MessageSchema, toMessages } from '../message_input.js';
import { canonicalJson, sha256, type Hash } from '../text/hash.js';

const TaskLine = z
  .strictObject({
    id: z.string().min(1),
    messages: z.array(MessageSchema).min(1).optional(),
    prompt: z.string().min(1).optional(),
    reference: z.union([z.string(), z.number()]).optional(),
    split: z.enum(['train', 'heldout']).optional(),
    tools: z.array(z.string()).optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  })
  .refine((task) => (task.messages === undefined) !== (task.prompt === undefined), {
    message: 'exactly one of "messages" and "prompt" is needed',
    path: ['messages'],
  });

export type Split = 'train' | 'heldout';

export interface Task {
  readonly id: string;
  readonly messages: readonly Message[];
  readonly reference?: string | undefined;
  readonly split: Split;
  /** Server tools by name; absent means the default set. */
  readonly tools?: readonly string[] | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Reads a task file. Throws an operator error that names the line and the field. */
export function parseTasks(text: string, file: string): Task[] {
  const seen = new Map<string, number>();
  const tasks: Task[] = [];
  text.split(/\r?\n/).forEach((line, at) => {
    if (line.trim() === '') return;
    const where = `${file} line ${at + 1}`;
    let raw: unknown;
    try {
      raw = JSON.parse(line);
    } catch (cause) {
      throw operatorError(`${where}: not JSON (${(cause as Error).message}). Each line is one JSON object.`, cause);
    }
    const parsed = TaskLine.safeParse(raw);
    if (!parsed.success) {
      const { path, says } = faultOf(parsed.error, raw);
      throw operatorError(
        `${where}, field "${path.map(String).join('.') || 'the line'}": ${says}. A task is {"id", "messages" | ` +
          '"prompt", "reference"?, "split"?, "tools"?, "metadata"?}.',
      );
    }
    const { id, reference, tools } = parsed.data;
    const before = seen.get(id);
    if (before !== undefined)
      throw operatorError(`${where}, field "id": "${id}" was used on line ${before}; ids must be unique.`);
    seen.set(id, at + 1);
    tasks.push({
      id,
      messages:
        parsed.data.messages === undefined
          ? [{ role: 'user', content: parsed.data.prompt ?? '' }]
          : toMessages(parsed.data.messages),
      reference: reference === undefined ? undefined : String(reference),
      split: parsed.data.split ?? 'train',
      tools,
      metadata: parsed.data.metadata ?? {},
    });
  });
  if (tasks.length === 0)
    throw operatorError(`${file}: no tasks in it. Each line is one JSON object with "id" and "prompt" or "messages".`);
  return tasks;
}

/** Identity of an ordered set of tasks. */
export function taskSetHash(tasks: readonly Task[]): Hash {
  return sha256(
    canonicalJson(tasks.map((task) => [task.id, task.messages, task.reference ?? null, task.tools ?? null])),
  );
}
