/** Tasks: questions asked on purpose, with what a rule judge may compare the answer with. */
import { operatorError, reasonOf } from '../errors.js';
import type { Message } from '../message.js';
import { parseJson } from '../text/json.js';
import { nearest } from '../text/nearest.js';
import { canonicalJson, sha256, type Hash } from '../text/hash.js';
import { readRow, RowFault, type TaskRow } from './task_row.js';

export type Split = 'train' | 'heldout';

/** The right answer of a task; a list where any of several is. */
export type Reference = string | readonly string[];

export interface Task {
  readonly id: string;
  readonly messages: readonly Message[];
  readonly reference?: Reference | undefined;
  readonly split: Split;
  /** Server tools by name; absent means the default set. */
  readonly tools?: readonly string[] | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A whole trajectory that was generated on a task: it was answered, or came to a limit. */
export interface GeneratedTrajectory {
  readonly id: string;
  readonly taskId: string;
  /** By which it is known again that the same was asked of the same in the same way. */
  readonly mark: string;
  readonly steps: number;
  readonly calls: number;
  /** Of all its actions, without the ids of calls: equal trajectories have the same. */
  readonly said: Hash;
}

/** Steps that one answer to the task may take, where its row says so. */
export function capOf({ metadata }: Pick<Task, 'metadata'>): number | undefined {
  const cap = metadata['max_steps'];
  return typeof cap === 'number' && Number.isInteger(cap) && cap > 0 ? cap : undefined;
}

/** How papers compare an answer with a reference: by all of its words, or by how many of them are the same. */
export const ANSWER_METRICS = ['exact_match', 'f1'] as const;
export type AnswerMetric = (typeof ANSWER_METRICS)[number];

/** How an answer to the task is to be compared with its reference, where its row says so. */
export function metricOf({ metadata }: Pick<Task, 'metadata'>): AnswerMetric | undefined {
  return ANSWER_METRICS.find((name) => name === metadata['metric']);
}

/** The tools a task may name. */
export interface KnownTools {
  has(name: string): boolean;
  /** To choose from, for a message. */
  readonly names: readonly string[];
}

const FORM =
  'A task is {"id"?, "messages" | "prompt", "reference"?, "split"?, "tools"?, "max_steps"?, "metadata"?}, ' +
  'or a row with "question" and "answer".';

/**
 * Reads a task file: one JSON object a line, or one JSON list of them. Throws an operator error that names the line, or
 * the place in the list, and the field. A task without an id gets one made of what it says, the same at every reading.
 */
export function parseTasks(text: string, file: string, tools?: KnownTools): Task[] {
  const seen = new Map<string, string>();
  const tasks: Task[] = [];
  for (const { raw, place } of rowsOf(text.replace(/^\uFEFF/, ''), file)) {
    const where = `${file} ${place}`;
    const row = readAt(raw, where);
    row.tools?.forEach((name, at) => {
      if (tools !== undefined && !tools.has(name))
        throw operatorError(
          `${where}, field "tools.${at}": there is no server tool ${JSON.stringify(name)}. ` +
            `Did you mean "${nearest(name, tools.names)}"? There are: ${tools.names.join(', ')}.`,
        );
    });
    const before = row.id === undefined ? undefined : seen.get(row.id);
    if (before !== undefined)
      throw operatorError(`${where}, field "id": "${row.id ?? ''}" was used on ${before}; ids must be unique.`);
    const id = row.id ?? derivedId(row, seen);
    seen.set(id, place);
    const { messages, references, split, metadata } = row;
    tasks.push({
      id,
      messages,
      reference: references.length > 1 ? references : references[0],
      split,
      tools: row.tools,
      metadata,
    });
  }
  if (tasks.length === 0)
    throw operatorError(`${file}: no tasks in it. Each line is one JSON object with "prompt" or "messages".`);
  return tasks;
}

/** Every answer a reference accepts. */
export function answersOf(reference: Reference): readonly string[] {
  return typeof reference === 'string' ? [reference] : reference;
}

/** Identity of an ordered set of tasks. */
export function taskSetHash(tasks: readonly Task[]): Hash {
  return sha256(
    canonicalJson(
      tasks.map((task) => {
        const [cap, metric] = [capOf(task), metricOf(task)];
        const said = [task.id, task.messages, task.reference ?? null, task.tools ?? null];
        if (metric !== undefined) return [...said, cap ?? null, metric];
        return cap === undefined ? said : [...said, cap];
      }),
    ),
  );
}

interface Placed {
  readonly raw: unknown;
  /** `line 3`, or `entry 3` of a list. */
  readonly place: string;
}

function rowsOf(text: string, file: string): Placed[] {
  if (text.trimStart().startsWith('[')) {
    const list = parsed(text, `${file}: it begins as a JSON list and is`);
    if (Array.isArray(list)) return list.map((raw: unknown, at) => ({ raw, place: `entry ${at + 1}` }));
  }
  return text.split(/\r\n|[\r\n]/).flatMap((line, at): Placed[] => {
    if (line.trim() === '') return [];
    return [{ raw: parsed(line, `${file} line ${at + 1}:`), place: `line ${at + 1}` }];
  });
}

function parsed(text: string, where: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw operatorError(
      `${where} not JSON (${reasonOf(cause)}). Each line is one JSON object, or the file is one JSON list of them.`,
      cause,
    );
  }
}

function readAt(raw: unknown, where: string): TaskRow {
  try {
    return readRow(raw);
  } catch (thrown) {
    if (thrown instanceof RowFault)
      throw operatorError(`${where}, field "${thrown.field}": ${thrown.message}. ${FORM}`, thrown);
    throw thrown;
  }
}

/** Of what is asked and what is right; a number tells the same row apart that stands in a file more than once. */
function derivedId({ messages, references, tools }: TaskRow, seen: ReadonlyMap<string, string>): string {
  const id = `task-${sha256(canonicalJson([messages, references, tools ?? null])).slice(-16)}`;
  for (let copy = 1; ; copy += 1) {
    const candidate = copy === 1 ? id : `${id}-${copy}`;
    if (!seen.has(candidate)) return candidate;
  }
}
