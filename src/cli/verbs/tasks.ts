/**
 * `gyre tasks`: makes the tasks of a family, loads a published set, and scores answers that were given elsewhere. It
 * writes files and reads no log.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { operatorError, reasonOf } from '../../core/errors.js';
import { ANSWER_METRICS, answersOf, metricOf, parseTasks, type Task } from '../../core/learning/task.js';
import { textOf } from '../../core/message.js';
import { sha256 } from '../../core/text/hash.js';
import { writeJson } from '../../core/text/json.js';
import { answerJudged } from '../../judge/rules/reference.js';
import { proportion } from '../../core/judging/proportion.js';
import { type Printer, table } from '../../run/print.js';
import { readText } from '../../run/text_file.js';
import { FAMILIES, familyOf } from '../../tasks/families/families.js';
import { type Document, make } from '../../tasks/family.js';
import { FORMATS, formatOf, load } from '../../tasks/loaders/formats.js';
import { type Row, rowsOf } from '../../tasks/loaders/rows.js';
import { exactMatch, f1 } from '../../tasks/metrics.js';

export interface TaskFlags {
  readonly out?: string | undefined;
  readonly seed?: string | undefined;
  readonly n?: string | undefined;
  readonly heldout?: string | undefined;
  readonly shots?: string | undefined;
  readonly documents?: string | undefined;
  readonly split?: string | undefined;
  readonly metric?: string | undefined;
  readonly answers?: string | undefined;
}

export function tasksVerb(
  what: string,
  name: string | undefined,
  file: string | undefined,
  flags: TaskFlags,
  printer: Printer,
): void {
  switch (what) {
    case 'list':
      return listed(printer);
    case 'make':
      return made(needed(name, 'gyre tasks make FAMILY --out FILE'), flags, printer);
    case 'load':
      return loaded(needed(name, 'gyre tasks load FORMAT FILE --out FILE'), file, flags, printer);
    case 'score':
      return scored(needed(name, 'gyre tasks score TASKS --answers FILE'), flags, printer);
    default:
      throw operatorError(`"gyre tasks ${what}" is not known; it is list, make, load or score`);
  }
}

function listed(printer: Printer): void {
  const families = FAMILIES.map(({ name, about, tools }) => ({ name, about, tools }));
  const formats = FORMATS.map(({ name, metric }) => ({ name, metric }));
  printer.result({ families, formats }, [
    ...table([
      ['family', 'tools', 'what it is'],
      ...families.map(({ name, tools, about }) => [name, tools.join(', '), about]),
    ]),
    '',
    ...table([['format', 'metric'], ...formats.map(({ name, metric }) => [name, metric])]),
  ]);
}

function made(name: string, flags: TaskFlags, printer: Printer): void {
  const family = familyOf(name);
  const out = needed(flags.out, `gyre tasks make ${name} --out FILE`);
  const seed = whole('--seed', flags.seed, 1);
  const sizes = {
    train: whole('--n', flags.n, 256),
    heldout: whole('--heldout', flags.heldout, 128),
    shots: whole('--shots', flags.shots, 0),
  };
  const { tasks, documents } = make(family, seed, sizes);
  write(out, tasks.map((task) => `${writeJson(task)}\n`).join(''));
  const folder = documents.length === 0 ? undefined : (flags.documents ?? `${out}.documents`);
  const index = folder === undefined ? [] : writeDocuments(folder, documents);
  printer.result({ family: name, seed, ...sizes, out, documents: documents.length, folder: folder ?? null, index }, [
    `${sizes.train} training and ${sizes.heldout} held-out tasks of ${name}, seed ${seed}: ${out}`,
    ...(folder === undefined ? [] : [`${documents.length} documents in ${folder}; before the tasks are asked:`]),
    ...index,
  ]);
}

const ABOUT: Readonly<Record<string, string>> = {
  people: 'people, where they were born and whom they work for, and companies',
  places: 'towns, their rivers, provinces and inhabitants',
};

/** Writes them and gives the commands that index them. */
function writeDocuments(folder: string, documents: readonly Document[]): readonly string[] {
  for (const { collection, path, text } of documents) write(join(folder, collection, path), text);
  return [...new Set(documents.map(({ collection }) => collection))].map((collection) =>
    collection === ''
      ? `gyre index ${folder}`
      : `gyre index ${join(folder, collection)} --as ${collection} --about "${ABOUT[collection] ?? collection}"`,
  );
}

function loaded(name: string, file: string | undefined, flags: TaskFlags, printer: Printer): void {
  const format = formatOf(name);
  const from = needed(file, `gyre tasks load ${name} FILE --out FILE`);
  const out = needed(flags.out, `gyre tasks load ${name} ${from} --out FILE`);
  const split = flags.split ?? 'train';
  if (split !== 'train' && split !== 'heldout') throw operatorError(`--split is "${split}"; it is train or heldout`);
  const { metric } = flags;
  if (metric !== undefined && metricOf({ metadata: { metric } }) === undefined)
    throw operatorError(`--metric is "${metric}"; it is ${ANSWER_METRICS.join(' or ')}`);
  const { rows, leftOut } = load(format, readText(from, `"${from}"`), from);
  const taken = flags.n === undefined ? rows : rows.slice(0, whole('--n', flags.n, 0));
  const passages = taken.flatMap((row) => row.passages);
  const documents = flags.documents === undefined ? [] : passagesAs(passages);
  const tools = format.metric === 'accuracy' ? ['calculator'] : documents.length > 0 ? ['search_documents'] : undefined;
  const lines = taken.map(({ id, question, references, metadata }, at) => ({
    id: id ?? `${name}-${split}-${String(at + 1).padStart(5, '0')}`,
    prompt: question,
    reference: references.length === 1 ? references[0] : references,
    split,
    ...(tools === undefined ? {} : { tools }),
    metadata: {
      family: name,
      ...(metric === undefined ? {} : { metric }),
      ...Object.fromEntries(Object.entries(metadata).filter(([, each]) => each !== undefined)),
    },
  }));
  write(out, lines.map((line) => `${writeJson(line)}\n`).join(''));
  const index = flags.documents === undefined ? [] : writeDocuments(flags.documents, documents);
  printer.result({ format: name, tasks: lines.length, left_out: leftOut, out, documents: documents.length, index }, [
    `${lines.length} tasks of ${name} (${split}): ${out}` +
      (leftOut === 0 ? '' : `; ${leftOut} rows without an answer are left out`),
    ...(documents.length === 0 ? [] : [`${documents.length} passages; before the tasks are asked:`, ...index]),
    `counted as in its paper: ${format.metric}`,
  ]);
}

/** One file a passage, each once however many questions come with it. */
function passagesAs(passages: readonly { readonly title: string; readonly text: string }[]): readonly Document[] {
  const texts = new Map(passages.map(({ title, text }) => [`# ${title}\n\n${text}\n`, title]));
  return [...texts].map(([text, title]) => ({
    collection: '',
    path: `${title.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60)}-${sha256(text).slice(-8)}.md`,
    text,
  }));
}

function scored(file: string, { answers }: TaskFlags, printer: Printer): void {
  const from = needed(answers, `gyre tasks score ${file} --answers FILE`);
  const given = new Map(rowsOf(readText(from, `"${from}"`), from).map(answerIn));
  const tasks = parseTasks(readText(file, `"${file}"`), file).filter((task) => task.reference !== undefined);
  if (tasks.length === 0) throw operatorError(`${file}: none of its tasks has a reference`);
  const rows = tasks.map((task) => scoreOf(task, given.get(task.id) ?? ''));
  const mean = (of: (row: (typeof rows)[number]) => number): number =>
    rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
  const right = proportion(rows.map((row) => row.right));
  const unanswered = tasks.filter(({ id }) => !given.has(id)).length;
  const [em, words] = [mean((row) => row.em), mean((row) => row.f1)];
  const percent = (share: number): string => (100 * share).toFixed(1);
  printer.result({ tasks: tasks.length, unanswered, right, exact_match: em, f1: words }, [
    `${tasks.length} tasks, ${unanswered} unanswered, which is wrong`,
    `right by the rule "reference": ${percent(right.accuracy)} %, ` +
      `95 % interval [${right.ci95.map(percent).join(', ')}]`,
    `exact match ${percent(em)} %, F1 ${percent(words)} %`,
  ]);
}

function answerIn({ raw, place }: Row): readonly [string, string] {
  const { id, answer } = (raw ?? {}) as { readonly id?: unknown; readonly answer?: unknown };
  if (typeof id !== 'string' || typeof answer !== 'string')
    throw operatorError(`${place}: each line is {"id": "...", "answer": "..."}`);
  return [id, answer];
}

function scoreOf(task: Task, answer: string): { right: number; em: number; f1: number } {
  const { reference = [], messages } = task;
  const accepted = answersOf(reference);
  const question = textOf(messages.findLast(({ role }) => role === 'user')?.content ?? '');
  return {
    right: answer !== '' && answerJudged(answer, accepted, question, metricOf(task)).good ? 1 : 0,
    em: exactMatch(answer, accepted),
    f1: f1(answer, accepted),
  };
}

function needed(value: string | undefined, form: string): string {
  if (value === undefined || value === '') throw operatorError(`something is missing: ${form}`);
  return value;
}

function whole(flag: string, text: string | undefined, fallback: number): number {
  if (text !== undefined && !/^\d{1,9}$/.test(text))
    throw operatorError(`${flag} is "${text}"; it must be a whole number of at least 0`);
  return text === undefined ? fallback : Number(text);
}

function write(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } catch (cause) {
    throw operatorError(`"${file}" cannot be written: ${reasonOf(cause)}`, cause);
  }
}
