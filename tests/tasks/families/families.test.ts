/** Every family, solved by the real tools: each step gives what the next one needs, and the last one the reference. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import { type Message, textOf } from '../../../src/core/message.js';
import { capOf } from '../../../src/core/learning/task.js';
import type { Tool } from '../../../src/core/tool.js';
import { states } from '../../../src/judge/rules/answers/states.js';
import { Draw } from '../../../src/tasks/draw.js';
import { make, type Problem } from '../../../src/tasks/family.js';
import { FAMILIES, familyOf } from '../../../src/tasks/families/families.js';
import { createCalculator } from '../../../tools/calculator.js';
import { openCollection } from '../../../tools/documents/collections.js';
import { indexDocuments } from '../../../tools/documents/indexing.js';
import { createSearchCollections, createSearchDocuments } from '../../../tools/search_documents.js';

const SIZES = { train: 120, heldout: 60, shots: 0 };
const closers: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The tools over the documents that a family came with. */
function toolsOver(documents: ReturnType<typeof make>['documents']): ReadonlyMap<string, Tool> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-families-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const data = join(folder, 'data');
  for (const { collection, path, text } of documents) {
    const file = join(folder, 'documents', collection, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  for (const collection of new Set(documents.map((each) => each.collection)))
    indexDocuments(
      collection === '' ? data : openCollection(data, collection, undefined).folder,
      join(folder, 'documents', collection),
    );
  const tools = [createCalculator(), createSearchDocuments({ dataDir: data })];
  tools.push(...createSearchCollections({ dataDir: data }));
  closers.push(...tools.map((tool) => () => tool.close?.()));
  return new Map(tools.map((tool) => [tool.spec.name, tool]));
}

const question = (messages: readonly Message[]): string => textOf(messages.at(-1)?.content ?? '');
const numbersIn = (text: string): readonly string[] => text.match(/\d+/g) ?? [];
/** Names stand with a capital letter within a sentence. */
const namesIn = (text: string): readonly string[] => text.match(/(?<=[a-z,'] )\p{Lu}\p{L}+/gu) ?? [];

describe.each(FAMILIES.map((family) => [family.name, family] as const))('the family %s', (name, family) => {
  const { tasks, documents } = make(family, 7, SIZES);

  it('is the same for the same seed, and another for another', () => {
    expect(make(family, 7, SIZES)).toEqual({ tasks, documents });
    expect(make(family, 8, SIZES).tasks).not.toEqual(tasks);
  });

  it('asks as many as are wanted, each once, with its tools, its name and its cap of steps', () => {
    expect(tasks.map(({ split }) => split).filter((split) => split === 'heldout')).toHaveLength(SIZES.heldout);
    expect(new Set(tasks.map(({ messages }) => question(messages))).size).toBe(SIZES.train + SIZES.heldout);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length);
    for (const task of tasks)
      expect([task.tools, task.metadata['family'], capOf(task)]).toEqual([family.tools, name, family.steps]);
  });

  it('has no name and no number in both parts, and wordings that are held out', () => {
    const of = (split: string): readonly string[] =>
      tasks.filter((task) => task.split === split).map(({ messages }) => question(messages));
    for (const read of [numbersIn, namesIn]) {
      const train = new Set(of('train').flatMap(read));
      expect([...new Set(of('heldout').flatMap(read))].filter((each) => train.has(each))).toEqual([]);
    }
    const wordings = (split: string): Set<unknown> =>
      new Set(tasks.filter((task) => task.split === split).map(({ metadata }) => metadata['wording']));
    expect([...wordings('train')].filter((each) => String(each).endsWith('-new'))).toEqual([]);
    expect([...wordings('heldout')].some((each) => String(each).endsWith('-new'))).toBe(true);
    expect(wordings('train').size).toBeGreaterThan(2);
  });

  it('is solved by its steps: what each tool gives is what the worked examples say', async () => {
    const tools = toolsOver(documents);
    const problems: Problem[] = [];
    for (const part of ['train', 'heldout'] as const) {
      const source = family.open(new Draw(7, part), SIZES[part]);
      problems.push(...Array.from({ length: 25 }, source.problem));
    }
    for (const { question: asked, reference, steps } of problems) {
      let last = '';
      for (const { tool, arguments: args, result } of steps) {
        last = (await tools.get(tool)?.run(args, AbortSignal.any([]))) ?? '';
        const first = last.split('\n\n', 1)[0] ?? '';
        expect(first.split('\n').at(-1)).toBe(result.split('\n').at(-1));
      }
      expect(last).toContain(reference);
      expect(states(`The answer is ${reference}.`, [reference], asked)).toBe(true);
    }
  });

  it('has worked examples as turns of a chat where they are wanted, of names and numbers of their own', () => {
    const [task] = make(family, 7, { train: 1, heldout: 0, shots: 2 }).tasks;
    const calls = task?.messages.filter((message) => message.role === 'assistant' && message.content === null);
    expect(calls?.length).toBeGreaterThanOrEqual(2);
    const worked = task?.messages.filter(({ role }) => role === 'user').slice(0, 2) ?? [];
    const known = new Set(
      tasks.flatMap(({ messages }) => [...numbersIn(question(messages)), ...namesIn(question(messages))]),
    );
    expect(worked.flatMap((message) => numbersIn(textOf(message.content))).filter((each) => known.has(each))).toEqual(
      [],
    );
    expect(worked.flatMap((message) => namesIn(textOf(message.content))).filter((each) => known.has(each))).toEqual([]);
  });
});

it('in the family which-tool the other collection does not have the answer', async () => {
  const family = familyOf('which-tool');
  const { documents } = make(family, 3, SIZES);
  const tools = toolsOver(documents);
  const source = family.open(new Draw(3, 'train'), SIZES.train);
  let misled = 0;
  for (const { reference, steps } of Array.from({ length: 40 }, source.problem)) {
    const [step] = steps;
    const other = step?.tool === 'search_people' ? 'search_places' : 'search_people';
    const found = (await tools.get(other)?.run(step?.arguments, AbortSignal.any([]))) ?? '';
    // The town's own name stands in what people are told to come from; what is asked of it does not.
    if (!/^No passage/.test(found)) misled += 1;
    if (/^\d+$/.test(reference))
      expect(found).not.toMatch(new RegExp(`\\b${reference} inhabitants|founded in ${reference}`));
  }
  expect(misled).toBeGreaterThan(5);
});

it('an unknown family is refused with the nearest, and one that has no more tasks says so', () => {
  expect(() => familyOf('calculater-2')).toThrow(/no family "calculater-2". Did you mean "calculator-2"/);
  const narrow = { ...familyOf('calculator-1'), open: () => ({ documents: [], problem: () => PROBLEM }) };
  expect(() => make(narrow, 1, { train: 2, heldout: 0, shots: 0 })).toThrow(/no more than 1 tasks of train/);
});

const PROBLEM: Problem = { question: 'q', reference: '1', steps: [], wording: 'w' };
