/**
 * The demo's tasks: one-sentence arithmetic for a calculator. Some sentence patterns occur in held-out tasks only, so
 * that the report can tell new numbers from new wordings. The same seed gives the same tasks.
 */
import { toWire, type Message } from '../../src/core/message.js';
import type { Task } from '../../src/core/learning/task.js';
import { seeded } from '../../src/tasks/draw.js';

interface Pattern {
  readonly name: string;
  /** Draws a question and the expression that solves it. */
  readonly make: (draw: Draw) => { readonly question: string; readonly expression: string; readonly value: number };
}

/** Uniform integers in [low, high]. */
type Draw = (low: number, high: number) => number;

const times =
  (question: (a: number, b: number) => string): Pattern['make'] =>
  (draw) => {
    const a = draw(12, 98);
    const b = draw(12, 98);
    return { question: question(a, b), expression: `${a} * ${b}`, value: a * b };
  };
const minus =
  (question: (a: number, b: number) => string): Pattern['make'] =>
  (draw) => {
    const b = draw(111, 480);
    const a = b + draw(111, 480);
    return { question: question(a, b), expression: `${a} - ${b}`, value: a - b };
  };
const plus =
  (question: (a: number, b: number) => string): Pattern['make'] =>
  (draw) => {
    const a = draw(111, 899);
    const b = draw(111, 899);
    return { question: question(a, b), expression: `${a} + ${b}`, value: a + b };
  };
const share =
  (question: (a: number, b: number) => string): Pattern['make'] =>
  (draw) => {
    const b = draw(3, 24);
    const a = b * draw(12, 60);
    return { question: question(a, b), expression: `${a} / ${b}`, value: a / b };
  };

const TRAIN_PATTERNS: readonly Pattern[] = [
  {
    name: 'crates',
    make: times((a, b) => `A truck carries ${a} crates with ${b} bottles in each crate. How many bottles is that?`),
  },
  {
    name: 'printer',
    make: times((a, b) => `A printer prints ${a} pages a minute. How many pages does it print in ${b} minutes?`),
  },
  { name: 'tickets', make: times((a, b) => `One ticket costs ${a} dollars. How much do ${b} tickets cost?`) },
  { name: 'sold', make: minus((a, b) => `A shop had ${a} lamps and sold ${b} of them. How many lamps are left?`) },
  { name: 'spent', make: minus((a, b) => `Maria had ${a} coins and spent ${b}. How many coins does she have now?`) },
  {
    name: 'taller',
    make: minus(
      (a, b) => `One tower is ${a} metres tall and another is ${b} metres tall. How much taller is the first?`,
    ),
  },
  {
    name: 'books',
    make: plus((a, b) => `One shelf holds ${a} books and another holds ${b} books. How many books are there together?`),
  },
  {
    name: 'share',
    make: share((a, b) => `${a} sweets are shared equally among ${b} children. How many does each child get?`),
  },
  {
    name: 'rope',
    make: share((a, b) => `A rope of ${a} metres is cut into ${b} equal pieces. How long is each piece?`),
  },
  { name: 'boxes', make: share((a, b) => `${a} eggs are packed in boxes of ${b}. How many boxes are needed?`) },
];

const HELDOUT_PATTERNS: readonly Pattern[] = [
  { name: 'wage', make: times((a, b) => `Tom earns ${a} dollars a day. What does he earn in ${b} days?`) },
  {
    name: 'tank',
    make: minus((a, b) => `A tank holds ${a} litres. After ${b} litres leak out, how many litres remain?`),
  },
  { name: 'farm', make: plus((a, b) => `A farm has ${a} hens and buys ${b} more. How many hens does it have then?`) },
  { name: 'teams', make: share((a, b) => `${a} players form teams of ${b}. How many teams are there?`) },
];

/** One worked example, as chat turns. */
function worked(question: string, expression: string, value: number, at: number): Message[] {
  const call = toWire({ id: `call_example_${at}`, name: 'calculator', arguments: JSON.stringify({ expression }) });
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: call.id, content: String(value) },
    { role: 'assistant', content: `The answer is ${value}.` },
  ];
}

/**
 * What every task begins with: worked examples as real chat turns, which is what a model of this size needs to call at
 * all.
 */
const HEAD: readonly Message[] = [
  { role: 'system', content: 'Answer the question. Use the calculator for the arithmetic.' },
  ...worked('There are 14 bags with 23 apples in each bag. How many apples are there?', '14 * 23', 322, 1),
  ...worked('A ship had 512 passengers and 187 got off. How many passengers are still on board?', '512 - 187', 325, 2),
  ...worked('Anna has 231 stamps and Ben has 344 stamps. How many stamps do they have together?', '231 + 344', 575, 3),
];

export interface FamilySizes {
  readonly train: number;
  /** Held-out numbers in known wordings that the gate uses, and those the report uses. */
  readonly gate: number;
  readonly numbers: number;
  readonly patterns: number;
}

/** All tasks of one seed; no question occurs twice, so held-out numbers are new numbers. */
export function family(seed: number, sizes: FamilySizes): Task[] {
  const random = seeded(seed);
  const draw: Draw = (low, high) => low + Math.floor(random() * (high - low + 1));
  const seen = new Set<string>();
  const tasks: Task[] = [];
  const fill = (kind: string, count: number, patterns: readonly Pattern[], split: Task['split']): void => {
    for (let made = 0; made < count;) {
      const pattern = patterns[made % patterns.length] as Pattern;
      const { question, value, expression } = pattern.make(draw);
      if (seen.has(question)) continue;
      seen.add(question);
      made += 1;
      tasks.push({
        id: `${kind}-${seed}-${String(made).padStart(4, '0')}`,
        messages: [...HEAD, { role: 'user', content: question }],
        reference: String(value),
        split,
        tools: ['calculator'],
        metadata: { kind, pattern: pattern.name, expression },
      });
    }
  };
  fill('gate', sizes.gate, TRAIN_PATTERNS, 'heldout');
  fill('numbers', sizes.numbers, TRAIN_PATTERNS, 'heldout');
  fill('patterns', sizes.patterns, HELDOUT_PATTERNS, 'heldout');
  fill('train', sizes.train, TRAIN_PATTERNS, 'train');
  return tasks;
}
