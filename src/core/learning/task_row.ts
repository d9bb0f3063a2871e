/**
 * One row of a task file in the forms people have them: our own, and the question and answer columns of published
 * sets (GSM8K, HotPotQA, TriviaQA, SQuAD, MATH). In our own form a field that is not known is refused; a published row
 * may have any others, which become metadata.
 */
import { z } from 'zod';

import { excerpt, faultOf } from '../check.js';
import { type Message } from '../message.js';
import { MessageSchema, toMessages } from '../message_input.js';

/** A row as it was meant; its id is still to be found where it has none. */
export interface TaskRow {
  readonly id: string | undefined;
  readonly messages: readonly Message[];
  /** Every answer that is accepted; empty where none is known. */
  readonly references: readonly string[];
  readonly split: 'train' | 'heldout';
  readonly tools: readonly string[] | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What is wrong with a row, and in which field. */
export class RowFault extends Error {
  readonly field: string;

  constructor(field: string, says: string) {
    super(says);
    this.field = field;
  }
}

const id = z.union([z.string().trim().min(1), z.int().transform(String)], 'must be a text or a whole number');

const Shared = {
  id: id.optional(),
  split: z.enum(['train', 'heldout']).optional(),
  tools: z.array(z.string()).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
};

const Own = z
  .strictObject({
    ...Shared,
    messages: z.array(MessageSchema).min(1).optional(),
    prompt: z.string().min(1).optional(),
    /** Steps that an answer may take; kept in the metadata. */
    max_steps: z.int().min(1).max(64).optional(),
    reference: z.unknown().optional(),
    answers: z.unknown().optional(),
  })
  .refine((task) => (task.messages === undefined) !== (task.prompt === undefined), {
    message: 'exactly one of "messages" and "prompt" is needed',
    path: ['messages'],
  });

const question = z.string().refine((text) => text.trim() !== '', 'is empty');
/** `split` of a published row may be a name of its publisher's: that stays metadata. */
const Published = z.looseObject({
  id: id.nullish(),
  _id: id.nullish(),
  question: question.optional(),
  problem: question.optional(),
  tools: Shared.tools,
  metadata: Shared.metadata,
});

/** Columns that may hold the answer, the first that is there first. */
const ANSWERS = ['reference', 'answers', 'golden_answers', 'answer'] as const;

/** Throws {@link RowFault}. */
export function readRow(raw: unknown): TaskRow {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw new RowFault('the line', `it must be one JSON object (it is ${excerpt(raw)})`);
  return isPublished(raw) ? published(raw) : own(raw);
}

function isPublished(row: object): boolean {
  return ('question' in row || 'problem' in row) && !('prompt' in row) && !('messages' in row);
}

function own(raw: object): TaskRow {
  const row = checked(Own, raw);
  if (row.reference !== undefined && row.answers !== undefined)
    throw new RowFault('answers', 'only one of "reference" and "answers" is taken; both hold a list as well');
  const column = 'answers' in raw ? 'answers' : 'reference';
  return {
    id: row.id,
    messages: row.messages === undefined ? [{ role: 'user', content: row.prompt ?? '' }] : toMessages(row.messages),
    references: column in raw ? referencesOf(raw[column as keyof typeof raw], column) : [],
    split: row.split ?? 'train',
    tools: row.tools ?? undefined,
    metadata: { ...row.metadata, ...(row.max_steps === undefined ? {} : { max_steps: row.max_steps }) },
  };
}

function published(raw: object): TaskRow {
  const row = checked(Published, raw);
  const asked = row.question ?? row.problem;
  const column = ANSWERS.find((name) => name in raw);
  if (column === undefined)
    throw new RowFault('answer', `a question needs one of ${ANSWERS.map((name) => `"${name}"`).join(', ')}`);
  const used = new Set<string>(['id', '_id', 'tools', 'metadata', row.question === undefined ? 'problem' : 'question']);
  const split = 'split' in raw && (raw.split === 'heldout' || raw.split === 'train') ? raw.split : undefined;
  if (split !== undefined) used.add('split');
  const rest = Object.entries(raw).filter(([name]) => !used.has(name) && name !== column);
  return {
    id: row.id ?? row._id ?? undefined,
    messages: [{ role: 'user', content: asked ?? '' }],
    references: referencesOf(raw[column as keyof typeof raw], column),
    split: split ?? 'train',
    tools: row.tools ?? undefined,
    metadata: { ...Object.fromEntries(rest), ...row.metadata },
  };
}

function checked<T>(schema: z.ZodType<T>, raw: unknown): T {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const { path, says } = faultOf(parsed.error, raw);
  throw new RowFault(path.map(String).join('.') || 'the line', says);
}

/**
 * A text, a number or a truth; a list of them; `{value, aliases}` as TriviaQA has it, `{text: [...]}` as SQuAD. What
 * is empty is a mistake: without a right answer the field is left out.
 */
function referencesOf(value: unknown, field: string): readonly string[] {
  return [...new Set(listed(value, field))];
}

function listed(value: unknown, field: string): string[] {
  if (Array.isArray(value)) {
    if (value.length === 0) throw new RowFault(field, 'it lists no answer; leave it out where none is known');
    return value.flatMap((each: unknown, at) => stated(each, `${field}.${at}`));
  }
  if (typeof value === 'object' && value !== null) {
    if ('text' in value) return listed(value.text, `${field}.text`);
    if ('value' in value) {
      const aliases = 'aliases' in value && Array.isArray(value.aliases) ? (value.aliases as unknown[]) : [];
      return [
        ...stated(value.value, `${field}.value`),
        ...aliases.flatMap((each, at) => stated(each, `${field}.aliases.${at}`)),
      ];
    }
  }
  return stated(value, field);
}

function stated(value: unknown, field: string): string[] {
  if (typeof value === 'number' && Number.isFinite(value)) return [String(value)];
  if (typeof value === 'boolean') return value ? ['yes', 'true'] : ['no', 'false'];
  if (typeof value !== 'string')
    throw new RowFault(field, `it must be a text or a number, or a list of them (it is ${excerpt(value)})`);
  const answer = finalAnswer(value);
  if (!/[\p{L}\p{N}]/u.test(answer))
    throw new RowFault(field, `it holds no answer, neither a letter nor a digit (it is ${excerpt(value)})`);
  return [answer];
}

/** GSM8K works towards its answer and writes it behind `####`, with commas between thousands. */
function finalAnswer(text: string): string {
  const mark = text.lastIndexOf('####');
  if (mark === -1) return text;
  const answer = text.slice(mark + 4).trim();
  const number = /^([-−]?)\$?\s*(\d[\d,]*(?:\.\d+)?)\.?$/.exec(answer);
  return number === null ? answer : `${number[1] ?? ''}${(number[2] ?? '').replaceAll(',', '')}`;
}
