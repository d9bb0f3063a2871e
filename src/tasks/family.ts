/** Families of tasks: what each can make, and how problems of one become tasks. */
import { type Message, toWire } from '../core/message.js';
import { type Draw, Draw as Drawing, type Part } from './draw.js';

/** One call on the way to the answer, and what its tool says to it. */
export interface Step {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly result: string;
}

export interface Problem {
  readonly question: string;
  readonly reference: string;
  /** A shortest way to it. */
  readonly steps: readonly Step[];
  /** Which sentence it is asked in. */
  readonly wording: string;
}

/** A file of a collection that is to be indexed. */
export interface Document {
  /** Of a collection that has a tool of its own; '' for `search_documents`. */
  readonly collection: string;
  readonly path: string;
  readonly text: string;
}

/** Problems of one part, and the documents they stand in. */
interface Source {
  readonly documents: readonly Document[];
  readonly problem: () => Problem;
}

export interface Family {
  readonly name: string;
  /** One line for whoever chooses. */
  readonly about: string;
  readonly tools: readonly string[];
  readonly instruction: string;
  /** That an answer may take. */
  readonly steps: number;
  readonly open: (draw: Draw, size: number) => Source;
}

export interface Sizes {
  readonly train: number;
  readonly heldout: number;
  /** Worked examples before each question, as turns of a chat: what a very small model needs to call at all. */
  readonly shots: number;
}

/** A line of a task file. */
interface TaskLine {
  readonly id: string;
  readonly messages: readonly Message[];
  readonly reference: string;
  readonly split: 'train' | 'heldout';
  readonly tools: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Made {
  readonly tasks: readonly TaskLine[];
  readonly documents: readonly Document[];
}

/** More draws than this without a new question: there are no more. */
const PATIENCE = 2_000;

/** The same seed and sizes give the same tasks. No question occurs twice. Throws where there are not so many. */
export function make(family: Family, seed: number, sizes: Sizes): Made {
  const seen = new Set<string>();
  const documents: Document[] = [];
  const fill = (part: Part, count: number): readonly Problem[] => {
    if (count === 0) return [];
    const source = family.open(new Drawing(seed, part), count);
    for (const document of source.documents) documents.push(document);
    const problems: Problem[] = [];
    for (let vain = 0; problems.length < count;) {
      const problem = source.problem();
      if (seen.has(problem.question)) {
        vain += 1;
        if (vain > PATIENCE) throw new Error(`"${family.name}" has no more than ${problems.length} tasks of ${part}`);
        continue;
      }
      vain = 0;
      seen.add(problem.question);
      problems.push(problem);
    }
    return problems;
  };
  const head: readonly Message[] = [
    { role: 'system', content: family.instruction },
    ...fill('example', sizes.shots).flatMap(worked),
  ];
  const tasks = (['train', 'heldout'] as const).flatMap((split) =>
    fill(split, sizes[split]).map(({ question, reference, steps, wording }, at) => ({
      id: `${family.name}-${seed}-${split}-${String(at + 1).padStart(5, '0')}`,
      messages: [...head, { role: 'user', content: question } as const],
      reference,
      split,
      tools: family.tools,
      metadata: {
        family: family.name,
        wording,
        max_steps: family.steps,
        steps: steps.map(({ tool, arguments: args }) => ({ tool, arguments: args })),
      },
    })),
  );
  return { tasks, documents };
}

/** A problem as the turns of a chat that solves it. */
function worked({ question, reference, steps }: Problem, at: number): readonly Message[] {
  return [
    { role: 'user', content: question },
    ...steps.flatMap(({ tool, arguments: args, result }, step): Message[] => {
      const call = toWire({ id: `call_example_${at}_${step}`, name: tool, arguments: JSON.stringify(args) });
      return [
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: call.id, content: result },
      ];
    }),
    { role: 'assistant', content: `The answer is ${reference}.` },
  ];
}
