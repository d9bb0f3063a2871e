/**
 * Published sets in the forms they are published in: GSM8K, HotPotQA, MuSiQue, CofCA, BeerQA. Each row becomes a
 * question, every answer that is accepted, and the passages it comes with.
 */
import { z } from 'zod';

import { operatorError } from '../../core/errors.js';
import { nearest } from '../../core/text/nearest.js';
import { checked, type Row, rowsOf } from './rows.js';

interface Passage {
  readonly title: string;
  readonly text: string;
}

export interface Loaded {
  readonly id: string | undefined;
  readonly question: string;
  readonly references: readonly string[];
  readonly passages: readonly Passage[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Format {
  readonly name: string;
  /** What its paper counts: right or wrong, or the words of a span. */
  readonly metric: 'accuracy' | 'exact match and F1';
  /** Undefined for a row that is no question for us, such as one without an answer. */
  readonly read: (row: Row) => Loaded | undefined;
}

const text = z.string().refine((each) => each.trim() !== '', 'is empty');
const id = z.union([z.string(), z.number().transform(String)]).optional();

const Gsm8k = z.looseObject({ question: text, answer: text });

function gsm8k(row: Row): Loaded {
  const { question, answer } = checked(Gsm8k, row);
  const mark = answer.lastIndexOf('####');
  if (mark < 0) throw operatorError(`${row.place}, field "answer": GSM8K writes the answer behind "####"`);
  const reference = answer
    .slice(mark + 4)
    .trim()
    .replaceAll(',', '');
  return { id: undefined, question, references: [reference], passages: [], metadata: {} };
}

const sentences = z.union([z.string(), z.array(z.string()).transform((each) => each.join(''))]);
/** `[title, sentences]` as the paper's own file has them, or a record of two lists as it is redistributed. */
const Context = z.union([
  z.array(z.tuple([z.string(), sentences]).transform(([title, said]): Passage => ({ title, text: said.trim() }))),
  z
    .looseObject({ title: z.array(z.string()), sentences: z.array(sentences) })
    .transform(({ title, sentences: said }) =>
      title.map((each, at): Passage => ({ title: each, text: (said[at] ?? '').trim() })),
    ),
]);

const HotPotQa = z.looseObject({
  _id: id,
  id,
  question: text,
  answer: text,
  type: z.string().optional(),
  level: z.string().optional(),
  context: Context.optional(),
});

function hotpotqa(row: Row): Loaded {
  const { _id, id: other, question, answer, type, level, context = [] } = checked(HotPotQa, row);
  return { id: _id ?? other, question, references: [answer], passages: context, metadata: { type, level } };
}

const MuSiQue = z.looseObject({
  id,
  question: text,
  answer: z.string(),
  answer_aliases: z.array(z.string()).default([]),
  answerable: z.boolean().default(true),
  paragraphs: z.array(z.looseObject({ title: z.string(), paragraph_text: z.string() })).default([]),
});

function musique(row: Row): Loaded | undefined {
  const { id: name, question, answer, answer_aliases: aliases, answerable, paragraphs } = checked(MuSiQue, row);
  if (!answerable || answer.trim() === '') return undefined;
  const passages = paragraphs.map((each): Passage => ({ title: each.title, text: each.paragraph_text }));
  const hops = Number(/^(\d)hop/.exec(name ?? '')?.[1] ?? Number.NaN);
  return {
    id: name,
    question,
    references: [...new Set([answer, ...aliases])],
    passages,
    metadata: Number.isNaN(hops) ? {} : { hops },
  };
}

const BeerQa = z.looseObject({
  id,
  src: z.string().optional(),
  question: text,
  answers: z.array(text).min(1),
  context: Context.optional(),
});

function beerqa(row: Row): Loaded {
  const { id: name, src, question, answers, context = [] } = checked(BeerQa, row);
  return { id: name, question, references: [...new Set(answers)], passages: context, metadata: { src } };
}

/**
 * CofCA has passages that contradict what is known. The form of its rows is a guess: the paper (arXiv 2402.11924) says
 * that there are questions, their answers and passages that they stand in, and no file of it could be found.
 */
const CofCa = z.looseObject({
  id,
  _id: id,
  question: text,
  answer: z.union([text, z.array(text).min(1)]),
  context: z.union([Context, z.string()]).optional(),
  passage: z.string().optional(),
});

function cofca(row: Row): Loaded {
  const { id: name, _id, question, answer, context, passage } = checked(CofCa, row);
  const told = typeof context === 'string' ? context : passage;
  const passages = Array.isArray(context) ? context : told === undefined ? [] : [{ title: question, text: told }];
  return { id: name ?? _id, question, references: [answer].flat(), passages, metadata: {} };
}

export const FORMATS: readonly Format[] = [
  { name: 'gsm8k', metric: 'accuracy', read: gsm8k },
  { name: 'hotpotqa', metric: 'exact match and F1', read: hotpotqa },
  { name: 'musique', metric: 'exact match and F1', read: musique },
  { name: 'cofca', metric: 'exact match and F1', read: cofca },
  { name: 'beerqa', metric: 'exact match and F1', read: beerqa },
];

export function formatOf(name: string): Format {
  const format = FORMATS.find((each) => each.name === name);
  if (format !== undefined) return format;
  const names = FORMATS.map((each) => each.name);
  throw operatorError(
    `there is no format "${name}". Did you mean "${nearest(name, names)}"? There are: ${names.join(', ')}`,
  );
}

export function load(format: Format, said: string, file: string): { rows: readonly Loaded[]; leftOut: number } {
  const read = rowsOf(said, file).map((row) => format.read(row));
  const rows = read.filter((each) => each !== undefined);
  if (rows.length === 0)
    throw operatorError(`${file}: it holds no question with an answer in the form of ${format.name}`);
  return { rows, leftOut: read.length - rows.length };
}
